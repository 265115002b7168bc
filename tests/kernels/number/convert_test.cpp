#include "kernels/number/convert.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "tests/kernels/number/reference.h"

namespace mpsearch {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

template <class T>
class Convert : public testing::Test {};
using StorageTypes = testing::Types<BF16, F16, F8E4M3, F8E5M2>;
TYPED_TEST_SUITE(Convert, StorageTypes);

TYPED_TEST(Convert, EveryCodeDecodesToTheValueOfItsDefinition) {
  constexpr reference::Format kFormat = reference::format_of<TypeParam>();
  for (std::uint32_t code = 0; code < (1u << kFormat.bits); ++code) {
    const float got = decode(TypeParam{static_cast<decltype(TypeParam::bits)>(code)});
    const double want = reference::decode(kFormat, code);
    ASSERT_TRUE(std::isnan(want) ? std::isnan(got) : got == want) << code;
    ASSERT_TRUE(std::isnan(want) || std::signbit(got) == std::signbit(want)) << code;
  }
}

TYPED_TEST(Convert, EveryFiniteCodeSurvivesARoundTrip) {
  constexpr reference::Format kFormat = reference::format_of<TypeParam>();
  for (std::uint32_t code = 0; code < (1u << kFormat.bits); ++code) {
    const TypeParam value{static_cast<decltype(TypeParam::bits)>(code)};
    ASSERT_TRUE(!std::isfinite(decode(value)) || encode<TypeParam>(decode(value)) == value) << code;
  }
}

TYPED_TEST(Convert, TenMillionValuesEncodeAsInFp64) {
  constexpr reference::Format kFormat = reference::format_of<TypeParam>();
  reference::Values values(kFormat);
  for (int i = 0; i < 10'000'000; ++i) {
    const float value = values.next();
    ASSERT_EQ(encode<TypeParam>(value).bits, reference::encode(kFormat, value))
        << std::hexfloat << value << " at draw " << i;
  }
}

TEST(ConvertGoldens, E4M3) {
  const std::array<std::pair<float, int>, 15> goldens{{{0.0F, 0x00},
                                                       {1.0F, 0x38},
                                                       {0.1F, 0x1D},
                                                       {0.3F, 0x2A},
                                                       {1.0625F, 0x38},
                                                       {1.1875F, 0x3A},
                                                       {17.0F, 0x58},
                                                       {19.0F, 0x5A},
                                                       {0x1p-10F, 0x00},
                                                       {0x1.000002p-10F, 0x01},
                                                       {0.0029296875F, 0x02},
                                                       {432.0F, 0x7E},
                                                       {464.1F, 0x7E},
                                                       {kInf, 0x7E},
                                                       {-0.0F, 0x80}}};
  for (const auto& [value, code] : goldens) EXPECT_EQ(to_f8e4m3(value).bits, code) << value;
  EXPECT_EQ(to_f8e4m3(kNaN).bits, 0x7F);
  EXPECT_EQ(to_f8e4m3(-kNaN).bits, 0x7F);
  EXPECT_EQ(decode(F8E4M3{0x1D}), 0.1015625F);
  EXPECT_EQ(decode(F8E4M3{0x2A}), 0.3125F);
  EXPECT_EQ(decode(F8E4M3{0x7E}), 448.0F);
}

TEST(ConvertGoldens, E5M2) {
  const std::array<std::pair<float, int>, 9> goldens{{{1.0F, 0x3C},
                                                      {0.1F, 0x2E},
                                                      {0.3F, 0x35},
                                                      {1.125F, 0x3C},
                                                      {1.375F, 0x3E},
                                                      {0x1p-17F, 0x00},
                                                      {61440.0F, 0x7B},
                                                      {kInf, 0x7B},
                                                      {-kInf, 0xFB}}};
  for (const auto& [value, code] : goldens) EXPECT_EQ(to_f8e5m2(value).bits, code) << value;
  EXPECT_EQ(to_f8e5m2(kNaN).bits, 0x7F);
  EXPECT_EQ(decode(F8E5M2{0x2E}), 0.09375F);
  EXPECT_EQ(decode(F8E5M2{0x7B}), 57344.0F);
}

TEST(ConvertGoldens, SixteenBitsOverflowToInfAndKeepNaN) {
  EXPECT_EQ(to_f16(65519.0F).bits, 0x7BFF);
  EXPECT_EQ(to_f16(65520.0F).bits, 0x7C00);
  EXPECT_EQ(to_f16(-kInf).bits, 0xFC00);
  EXPECT_EQ(to_f16(0x1p-25F).bits, 0x0000);
  EXPECT_EQ(to_f16(0x1.000002p-25F).bits, 0x0001);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(decode(to_bf16(float_from_bits(0x7F800001u)))));
  EXPECT_TRUE(std::isnan(decode(to_f16(kNaN))));
}

TEST(ConvertGoldens, ConversionsAreConstantExpressions) {
  static_assert(to_f8e4m3(0.1F).bits == 0x1D);
  static_assert(decode(encode<F16>(1.0F)) == 1.0F);
  static_assert(kDType<F8E5M2> == DType::F8E5M2 && kDType<float> == DType::F32);
}

}  // namespace
}  // namespace mpsearch
