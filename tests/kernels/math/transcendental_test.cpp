#include "kernels/math/transcendental.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace mpsearch {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// |got - want| in units of the last place of an FP32 of want's magnitude. Infinity counts as 2^128,
// the value after the largest.
double ulp_error(float got, double want) {
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : kInf;
  const double reachable = std::clamp(want, -0x1p128, 0x1p128);
  const double reached = std::clamp(static_cast<double>(got), -0x1p128, 0x1p128);
  int exponent = 0;
  std::frexp(reachable, &exponent);
  const double unit = std::ldexp(1.0, std::clamp(exponent - 24, -149, 104));
  return std::fabs(reached - reachable) / unit;
}

// Every 1021st bit pattern: all exponents, signs, subnormals, Inf and NaN.
template <class F, class Reference>
void expect_ulp(double limit, F f, Reference reference, float lowest = -kInf,
                float highest = kInf) {
  double worst = 0;
  float worst_at = 0;
  for (std::uint64_t bits = 0; bits < (1ull << 32); bits += 1021) {
    const float x = float_from_bits(static_cast<std::uint32_t>(bits));
    if (x < lowest || x > highest) continue;
    const double error = ulp_error(f(x), reference(static_cast<double>(x)));
    if (!(error <= worst)) {
      worst = error;
      worst_at = x;
    }
  }
  EXPECT_LE(worst, limit) << "at " << std::hexfloat << worst_at;
}

TEST(Transcendental, ExpIsWithinItsUlpEverywhere) {
  expect_ulp(1.0, math::exp, [](double x) { return std::exp(x); });
  EXPECT_EQ(math::exp(0.0F), 1.0F);
  EXPECT_EQ(math::exp(-kInf), 0.0F);
  EXPECT_EQ(math::exp(kInf), kInf);
}

TEST(Transcendental, Expm1IsWithinItsUlpUpTo88) {
  expect_ulp(
      1.5, math::expm1, [](double x) { return std::expm1(x); }, -kInf, 88.0F);
}

TEST(Transcendental, LogIsWithinItsUlpEverywhere) {
  expect_ulp(1.0, math::log, [](double x) { return std::log(x); });
  EXPECT_EQ(math::log(0.0F), -kInf);
  EXPECT_EQ(math::log(kInf), kInf);
  EXPECT_TRUE(std::isnan(math::log(-1.0F)));
}

TEST(Transcendental, Log1pIsWithinItsUlpOnTheUnitInterval) {
  expect_ulp(
      1.5, math::log1p, [](double x) { return std::log1p(x); }, 0.0F, 1.0F);
}

TEST(Transcendental, TanhIsWithinItsUlpEverywhere) {
  expect_ulp(1.5, math::tanh, [](double x) { return std::tanh(x); });
}

TEST(Transcendental, SigmoidIsWithinItsUlpEverywhere) {
  expect_ulp(2.5, math::sigmoid, [](double x) {
    return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
  });
}

TEST(Transcendental, ErfIsWithinItsUlpEverywhere) {
  expect_ulp(1.0, math::erf, [](double x) { return std::erf(x); });
}

TEST(Transcendental, SinAndCosAreWithinTheirUlpInTheirRange) {
  expect_ulp(
      2.0, math::sin, [](double x) { return std::sin(x); }, -0x1p45F, 0x1p45F);
  expect_ulp(
      2.0, math::cos, [](double x) { return std::cos(x); }, -0x1p45F, 0x1p45F);
  EXPECT_TRUE(std::isnan(math::sin(kInf)));
}

TEST(Transcendental, PowIsWithinItsUlpOverRandomPairs) {
  std::mt19937 random(7);
  for (int i = 0; i < 2'000'000; ++i) {
    const float x = float_from_bits(static_cast<std::uint32_t>(random()));
    // Half any exponent, half one that keeps the result in range.
    float y = float_from_bits(static_cast<std::uint32_t>(random()));
    if (i % 2 == 0) {
      const double unit = static_cast<double>(random()) / 4294967296.0;
      y = static_cast<float>((unit * 290 - 150) / std::log2(std::fabs(static_cast<double>(x))));
    }
    if (i % 4 == 1) y = static_cast<float>(static_cast<int>(random() % 21) - 10);
    const double error =
        ulp_error(math::pow(x, y), std::pow(static_cast<double>(x), static_cast<double>(y)));
    if (!(error <= 1.0)) ADD_FAILURE() << std::hexfloat << x << " ^ " << y << ": " << error;
  }
}

TEST(Transcendental, PowHasTheSpecialCasesOfC) {
  const float specials[] = {
      0.0F,  -0.0F,  1.0F,      -1.0F,           2.0F,           -2.0F,          3.0F,   -3.0F,
      0.5F,  -0.5F,  kInf,      -kInf,           kNaN,           0x1p24F,        1e-40F, -1e-40F,
      1e-5F, -1e-5F, 0x1p-149F, 0x1.fffffep127F, 0x1.000002p23F, -0x1.000002p23F};
  for (const float x : specials) {
    for (const float y : specials) {
      const auto want =
          static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(y)));
      const float got = math::pow(x, y);
      EXPECT_TRUE(std::isnan(want)
                      ? std::isnan(got)
                      : ulp_error(got, want) <= 1 && std::signbit(got) == std::signbit(want))
          << x << " ^ " << y << " = " << got << ", want " << want;
    }
  }
}

}  // namespace
}  // namespace mpsearch
