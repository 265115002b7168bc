// Cast and Quantize against the scalar definitions of kernels/number, and every instruction-set
// level that runs here against them too.
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "kernels/cpu/level.h"
#include "kernels/number/convert.h"
#include "tests/cpu/call.h"

namespace mpsearch {
namespace {

constexpr DType kDTypes[] = {DType::F32, DType::BF16, DType::F16, DType::F8E4M3, DType::F8E5M2};

float read(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::F32:
      return *reinterpret_cast<const float*>(at);
    case DType::BF16:
      return decode(*reinterpret_cast<const BF16*>(at));
    case DType::F16:
      return decode(*reinterpret_cast<const F16*>(at));
    case DType::F8E4M3:
      return decode(*reinterpret_cast<const F8E4M3*>(at));
    default:
      return decode(*reinterpret_cast<const F8E5M2*>(at));
  }
}

void write(DType dtype, std::byte* at, float value) {
  switch (dtype) {
    case DType::F32:
      *reinterpret_cast<float*>(at) = value;
      break;
    case DType::BF16:
      *reinterpret_cast<BF16*>(at) = to_bf16(value);
      break;
    case DType::F16:
      *reinterpret_cast<F16*>(at) = to_f16(value);
      break;
    case DType::F8E4M3:
      *reinterpret_cast<F8E4M3*>(at) = to_f8e4m3(value);
      break;
    default:
      *reinterpret_cast<F8E5M2*>(at) = to_f8e5m2(value);
      break;
  }
}

/// Finite values of every magnitude, and the special ones.
std::vector<float> mixed_values(std::size_t count) {
  std::mt19937 random(7);
  std::vector<float> values(count);
  for (float& value : values) {
    const int exponent = static_cast<int>(random() % 60) - 30;
    value = std::ldexp(static_cast<float>(random() % 4096) - 2048, exponent - 11);
  }
  const float special[] = {0.0F,
                           -0.0F,
                           std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN(),
                           448.0F,
                           465.0F,
                           57344.0F};
  std::copy(std::begin(special), std::end(special), values.begin());
  return values;
}

/// Memory index of every logical element, row-major order.
std::vector<std::int64_t> places_of(const TensorType& type) {
  const Shape strides = strides_of(type);
  std::vector<std::int64_t> places(static_cast<std::size_t>(type.elements()));
  Shape index(type.shape.size(), 0);
  for (std::int64_t& place : places) {
    place = 0;
    for (std::size_t d = 0; d < index.size(); ++d) place += index[d] * strides[d];
    for (std::size_t d = index.size(); d-- > 0;) {
      if (++index[d] < type.shape[d]) break;
      index[d] = 0;
    }
  }
  return places;
}

std::string bits(const std::byte* at, DType dtype) {
  return {reinterpret_cast<const char*>(at), static_cast<std::size_t>(bits_of(dtype) / 8)};
}

void expect_cast(const Backend& backend, const TensorType& from, const TensorType& to) {
  SCOPED_TRACE(to_string(from) + " -> " + to_string(to));
  test::Tensor x(from), y(to);
  const std::vector<float> values = mixed_values(static_cast<std::size_t>(from.elements()));
  const std::vector<std::int64_t> from_places = places_of(from), to_places = places_of(to);
  const int from_bytes = bits_of(from.form.dtype) / 8, to_bytes = bits_of(to.form.dtype) / 8;
  for (std::size_t i = 0; i < values.size(); ++i) {
    write(from.form.dtype, x.bytes.data() + from_places[i] * from_bytes, values[i]);
  }
  const KernelCall call{"Cast", {}, {from}, {to}};
  const std::vector<KernelChoice> choices = backend.candidates(call);
  ASSERT_FALSE(choices.empty());
  test::run_call(backend, call, choices[0], {&x}, {&y});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::byte* source = x.bytes.data() + from_places[i] * from_bytes;
    std::byte expected[4];
    write(to.form.dtype, expected, read(from.form.dtype, source));
    ASSERT_EQ(bits(y.bytes.data() + to_places[i] * to_bytes, to.form.dtype),
              bits(from.form.dtype == to.form.dtype ? source : expected, to.form.dtype))
        << "element " << i;
  }
}

TEST(Cast, EveryPairOfFormsEqualsTheScalarConversion) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 2);
  for (const DType from : kDTypes) {
    for (const DType to : kDTypes) {
      expect_cast(*backend, {{40000}, {from}}, {{40000}, {to}});
      for (const Layout in : {Layout::RowMajor, Layout::ChannelsLast}) {
        for (const Layout out : {Layout::RowMajor, Layout::ChannelsLast}) {
          expect_cast(*backend, {{3, 37, 5, 9}, {from, in}}, {{3, 37, 5, 9}, {to, out}});
        }
      }
    }
  }
  expect_cast(*backend, {{2, 3, 70, 33}, {DType::F32}},
              {{2, 3, 70, 33}, {DType::BF16, Layout::ChannelsLast}});
  expect_cast(*backend, {{2, 40, 7}, {DType::F16, Layout::ChannelsLast}}, {{2, 40, 7}, {}});
}

TEST(Cast, EveryLevelConvertsAsTheScalarDefinition) {
  const std::vector<float> values = mixed_values(1000);
  for (const cpu::CompiledLevel& compiled : cpu::compiled_levels()) {
    if (!compiled.supported()) continue;
    const cpu::Level& level = compiled.level();
    for (const DType from : kDTypes) {
      for (const DType to : kDTypes) {
        std::vector<std::byte> source(4000), target(4000), expected(4000);
        const int from_bytes = bits_of(from) / 8, to_bytes = bits_of(to) / 8;
        for (int i = 0; i < 1000; ++i) {
          std::byte* at = source.data() + i * from_bytes;
          write(from, at, values[static_cast<std::size_t>(i)]);
          write(to, expected.data() + i * to_bytes, 0.25F * read(from, at));
        }
        level.convert(from, to)(source.data(), target.data(), 1000, 0.25F);
        EXPECT_EQ(
            std::memcmp(target.data(), expected.data(), static_cast<std::size_t>(1000 * to_bytes)),
            0)
            << level.name << ' ' << name_of(from) << " -> " << name_of(to);
      }
    }
  }
}

struct Quantized {
  test::Tensor q;
  float scale;
};

Quantized quantize(std::vector<float> values, DType fp8, const std::string& recipe, int threads) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", threads);
  const Shape shape{static_cast<std::int64_t>(values.size())};
  test::Tensor x({shape, {}}), q({shape, {fp8}}), scale({{}, {}});
  std::copy(values.begin(), values.end(), x.as<float>());
  const KernelCall call{"Quantize", {{"recipe", recipe}}, {x.type}, {q.type, scale.type}};
  const std::vector<KernelChoice> choices = backend->candidates(call);
  EXPECT_EQ(choices.size(), 1u);
  test::run_call(*backend, call, choices.at(0), {&x}, {&q, &scale});
  return {q, *scale.as<float>()};
}

TEST(Quantize, ScalesAreThoseOfTheRecipes) {
  // {amax, exact E4M3, pow2 E4M3, exact E5M2, pow2 E5M2} of numerics.md, section 4.
  const float golden[][5] = {{3, 149.33333F, 128, 19114.666F, 16384},
                             {7, 64, 64, 8192, 8192},
                             {448, 1, 1, 128, 128},
                             {500, 0.896F, 0.5F, 114.688F, 64},
                             {0, 1, 1, 1, 1}};
  for (const auto& [amax, exact4, pow4, exact5, pow5] : golden) {
    const std::vector<float> values{amax / 2, -amax, 0};
    EXPECT_FLOAT_EQ(1 / quantize(values, DType::F8E4M3, "exact", 1).scale, exact4);
    EXPECT_EQ(1 / quantize(values, DType::F8E4M3, "pow2", 1).scale, pow4);
    EXPECT_FLOAT_EQ(1 / quantize(values, DType::F8E5M2, "exact", 1).scale, exact5);
    EXPECT_EQ(1 / quantize(values, DType::F8E5M2, "pow2", 1).scale, pow5);
  }
}

TEST(Quantize, CodesAreThoseOfTheScaledValues) {
  std::vector<float> values = mixed_values(100000);
  for (float& value : values) value = std::isfinite(value) ? value : 1.0F;
  for (const DType fp8 : {DType::F8E4M3, DType::F8E5M2}) {
    for (const std::string recipe : {"pow2", "exact"}) {
      Quantized one = quantize(values, fp8, recipe, 1), two = quantize(values, fp8, recipe, 2);
      EXPECT_EQ(one.q.bytes, two.q.bytes);
      EXPECT_EQ(one.scale, two.scale);
      float amax = 0;
      for (const float value : values) amax = std::max(amax, std::fabs(value));
      const float largest = fp8 == DType::F8E4M3 ? 448.0F : 57344.0F;
      const float factor = recipe == "exact" ? largest / amax : 1 / one.scale;
      for (std::size_t i = 0; i < values.size(); ++i) {
        std::byte expected[4];
        write(fp8, expected, values[i] * factor);
        ASSERT_EQ(one.q.bytes[i], expected[0]) << i;
      }
    }
  }
}

TEST(Quantize, ExtremeMagnitudesKeepAFiniteScale) {
  for (const float amax :
       {std::numeric_limits<float>::denorm_min(), 1e-38F, std::numeric_limits<float>::max()}) {
    Quantized result = quantize({amax, 0}, DType::F8E4M3, "pow2", 1);
    EXPECT_TRUE(std::isnormal(result.scale)) << amax;
    const double back = double{result.scale} * decode(*result.q.as<F8E4M3>());
    EXPECT_NEAR(back, amax, 0.07 * double{amax} + 1e-38);
  }
}

TEST(Quantize, ANonFiniteValueTurnsTheScaleIntoNaN) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values(50000, 3.0F);
    values[49999] = bad;
    EXPECT_TRUE(std::isnan(quantize(values, DType::F8E5M2, "pow2", 2).scale));
  }
}

}  // namespace
}  // namespace mpsearch
