// Our conversions against the CUDA toolkit's own, which its headers also offer on the host.
#include "kernels/number/convert.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <gtest/gtest.h>

#include "tests/kernels/number/reference.h"

namespace mpsearch {
namespace {

std::uint32_t cuda_encode(BF16, float value) {
  return static_cast<__nv_bfloat16_raw>(__float2bfloat16(value)).x;
}
std::uint32_t cuda_encode(F16, float value) {
  return static_cast<__half_raw>(__float2half_rn(value)).x;
}
std::uint32_t cuda_encode(F8E4M3, float value) {
  return __nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E4M3);
}
std::uint32_t cuda_encode(F8E5M2, float value) {
  return __nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E5M2);
}

float cuda_decode(BF16 value) {
  __nv_bfloat16_raw raw;
  raw.x = value.bits;
  return __bfloat162float(__nv_bfloat16(raw));
}
float cuda_decode(F16 value) {
  __half_raw raw;
  raw.x = value.bits;
  return __half2float(__half(raw));
}
float cuda_decode(F8E4M3 value) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(value.bits, __NV_E4M3)));
}
float cuda_decode(F8E5M2 value) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(value.bits, __NV_E5M2)));
}

template <class T>
class CudaHeaders : public testing::Test {};
using StorageTypes = testing::Types<BF16, F16, F8E4M3, F8E5M2>;
TYPED_TEST_SUITE(CudaHeaders, StorageTypes);

TYPED_TEST(CudaHeaders, EveryCodeDecodesToTheSameBits) {
  constexpr reference::Format kFormat = reference::format_of<TypeParam>();
  for (std::uint32_t code = 0; code < (1u << kFormat.bits); ++code) {
    const TypeParam value{static_cast<decltype(TypeParam::bits)>(code)};
    ASSERT_EQ(float_bits(decode(value)), float_bits(cuda_decode(value))) << std::hex << code;
  }
}

TYPED_TEST(CudaHeaders, TenMillionValuesEncodeToTheSameBits) {
  reference::Values values(reference::format_of<TypeParam>());
  for (int i = 0; i < 10'000'000; ++i) {
    const float value = values.next();
    ASSERT_EQ(encode<TypeParam>(value).bits, cuda_encode(TypeParam{}, value))
        << std::hexfloat << value << " at draw " << i;
  }
}

}  // namespace
}  // namespace mpsearch
