// exp, log, tanh, sigmoid, erf, sin, cos, pow as branch-free polynomials, since a call into the C
// library keeps a loop scalar. Same bits on every CPU and GPU. Each states its largest error, which
// tests/kernels/math holds against FP64. Coefficients are our own minimax fits (Remez exchange,
// relative error), 2^-27 and better before rounding.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/number/bits.h"

namespace mpsearch::math {

/// a * b + c rounded once. Nothing else in the kernels contracts.
MPSEARCH_HD inline float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
MPSEARCH_HD inline double fma(double a, double b, double c) { return ::fma(a, b, c); }

MPSEARCH_HD inline float abs(float x) { return float_from_bits(float_bits(x) & 0x7FFFFFFFu); }
MPSEARCH_HD inline float with_sign_of(float magnitude, float sign) {
  return float_from_bits(float_bits(magnitude) | (float_bits(sign) & 0x80000000u));
}
/// As fmax and fmin, but a NaN in `x` stays.
MPSEARCH_HD inline float at_least(float x, float low) { return x < low ? low : x; }
MPSEARCH_HD inline float at_most(float x, float high) { return x > high ? high : x; }

/// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2.
MPSEARCH_HD inline float exp_tail(float r) {
  float q = 0x1.6a1a72p-10F;
  q = fma(q, r, 0x1.123fc6p-7F);
  q = fma(q, r, 0x1.555916p-5F);
  q = fma(q, r, 0x1.55548ap-3F);
  return fma(q, r, 0x1.fffffcp-2F);
}

/// 1 ULP, over- and underflow gradual as in IEEE.
MPSEARCH_HD inline float exp(float x) {
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to an integer
  const float t = at_most(at_least(x, -104.0F), 89.0F);
  const float shifted = fma(t, 0x1.715476p+0F, kRound);
  const float n = shifted - kRound;
  const float r = fma(n, 0x1.05c61p-29F, fma(n, -0x1.62e43p-1F, t));
  const float p = fma(fma(exp_tail(r), r, 1.0F), r, 1.0F);
  // 2^n in two factors, so that the result may be subnormal or overflow.
  const std::uint32_t power = float_bits(shifted) - float_bits(kRound);
  const std::uint32_t half = static_cast<std::uint32_t>(static_cast<std::int32_t>(power) >> 1);
  const float scale0 = float_from_bits((half + 127u) << 23);
  const float scale1 = float_from_bits((power - half + 127u) << 23);
  return p * scale0 * scale1;
}

/// exp(x) - 1 for x <= 88; 1.5 ULP.
MPSEARCH_HD inline float expm1(float x) {
  constexpr float kRound = 0x1.8p23F;
  const float t = at_least(x, -87.0F);
  const float shifted = fma(t, 0x1.715476p+0F, kRound);
  const float n = shifted - kRound;
  const float r = fma(n, 0x1.05c61p-29F, fma(n, -0x1.62e43p-1F, t));
  const float p = fma(exp_tail(r) * r, r, r);
  const float scale = float_from_bits((float_bits(shifted) - float_bits(kRound) + 127u) << 23);
  return fma(scale, p, scale - 1.0F);
}

/// x = mantissa * 2^exponent with mantissa in [sqrt(1/2), sqrt(2)); x positive and finite.
struct Split {
  float mantissa;
  float exponent;
};
MPSEARCH_HD inline Split split(float x) {
  constexpr std::uint32_t kSqrtHalf = 0x3F3504F3u;
  const bool subnormal = x < 0x1p-126F;
  const std::uint32_t bits = float_bits(subnormal ? x * 0x1p23F : x) - kSqrtHalf;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits) >> 23);
  return {float_from_bits((bits & 0x7FFFFFu) + kSqrtHalf), subnormal ? exponent - 23.0F : exponent};
}

/// 1 ULP; -Inf at 0, NaN below.
MPSEARCH_HD inline float log(float x) {
  const Split s = split(x);
  const float f = s.mantissa - 1.0F;
  const float square = f * f;
  float q = 0x1.1457c4p-4F;
  q = fma(q, f, -0x1.de3c1cp-4F);
  q = fma(q, f, 0x1.e6f062p-4F);
  q = fma(q, f, -0x1.fc2206p-4F);
  q = fma(q, f, 0x1.233768p-3F);
  q = fma(q, f, -0x1.555c4ep-3F);
  q = fma(q, f, 0x1.99a4b6p-3F);
  q = fma(q, f, -0x1.000006p-2F);
  q = fma(q, f, 0x1.555548p-2F);
  // ln 2 = 0.693359375 - 2.12194440e-4; the first part times the exponent is exact.
  float y = fma(f * square, q, s.exponent * -2.12194440e-4F);
  y = fma(-0.5F, square, y);
  y = fma(s.exponent, 0.693359375F, f + y);
  y = x == __builtin_inff() ? x : y;
  y = x == 0.0F ? -__builtin_inff() : y;
  return x >= 0.0F ? y : __builtin_nanf("");
}

/// log(1 + x) for finite x >= 0; 1.5 ULP.
MPSEARCH_HD inline float log1p(float x) {
  const float u = 1.0F + x;
  return log(u) + (x - (u - 1.0F)) / u;
}

/// 1.5 ULP.
MPSEARCH_HD inline float tanh(float x) {
  const float a = abs(x);
  const float z = x * x;
  float q = -0x1.69711ap-8F;
  q = fma(q, z, 0x1.4f5ef8p-6F);
  q = fma(q, z, -0x1.b7cff2p-5F);
  q = fma(q, z, 0x1.1103f2p-3F);
  q = fma(q, z, -0x1.555524p-2F);
  const float small = fma(a * z, q, a);
  const float large = 1.0F - 2.0F / (exp(a + a) + 1.0F);
  return with_sign_of(a < 0.65F ? small : large, x);
}

/// 1 / (1 + exp(-x)); 2.5 ULP, to the last subnormal on the left.
MPSEARCH_HD inline float sigmoid(float x) {
  const float e = exp(-abs(x));
  return (x < 0.0F ? e : 1.0F) / (1.0F + e);
}

/// 1 ULP.
MPSEARCH_HD inline float erf(float x) {
  const float a = abs(x);
  const float z = x * x;
  float q = 0x1.574ec2p-14F;
  q = fma(q, z, -0x1.a88d88p-11F);
  q = fma(q, z, 0x1.549664p-8F);
  q = fma(q, z, -0x1.b80962p-6F);
  q = fma(q, z, 0x1.ce2dcap-4F);
  q = fma(q, z, -0x1.812742p-2F);
  q = fma(q, z, 0x1.06eba8p-3F);
  const float small = fma(a, q, a);
  const float t = at_most(a, 4.0F);  // erfc(t) = exp(-(t + t p(t)))
  float p = 0x1.5e1266p-17F;
  p = fma(p, t, -0x1.4a26acp-12F);
  p = fma(p, t, 0x1.d936c6p-9F);
  p = fma(p, t, -0x1.84362ap-6F);
  p = fma(p, t, 0x1.b2d3d2p-4F);
  p = fma(p, t, 0x1.4538aep-1F);
  p = fma(p, t, 0x1.0772ep-3F);
  const float large = 1.0F - exp(-fma(t, p, t));
  return with_sign_of(a < 0.92F ? small : large, x);
}

/// sin(x + quarter_turns * pi / 2); 2 ULP for |x| <= 2^45, NaN beyond.
MPSEARCH_HD inline float sin_shifted(float x, std::uint32_t quarter_turns) {
  constexpr double kRound = 0x1.8p52;
  const double wide = abs(x) <= 0x1p45F ? x : __builtin_nanf("");
  const double shifted = wide * 0x1.45f306dc9c883p-1 + kRound;
  const double n = shifted - kRound;
  const double rest = fma(n, -0x1.1a62633145c07p-54, fma(n, -0x1.921fb54442d18p+0, wide));
  const auto turns =
      static_cast<std::uint32_t>(__builtin_bit_cast(std::uint64_t, shifted)) + quarter_turns;
  const auto r = static_cast<float>(rest);
  const float z = r * r;
  float s = 0x1.6cbecep-19F;
  s = fma(s, z, -0x1.a00f32p-13F);
  s = fma(s, z, 0x1.111108p-7F);
  s = fma(s, z, -0x1.555556p-3F);
  const float sine = fma(r * z, s, r);
  float c = -0x1.240b04p-22F;
  c = fma(c, z, 0x1.a0107ep-16F);
  c = fma(c, z, -0x1.6c16b8p-10F);
  c = fma(c, z, 0x1.555556p-5F);
  const float cosine = fma(z * z, c, fma(-0.5F, z, 1.0F));
  const float magnitude = (turns & 1u) != 0 ? cosine : sine;
  return float_from_bits(float_bits(magnitude) ^ ((turns & 2u) << 30));
}

MPSEARCH_HD inline float sin(float x) { return sin_shifted(x, 0); }
MPSEARCH_HD inline float cos(float x) { return sin_shifted(x, 1); }

/// 2 ULP. Argument reduction and polynomial of Cephes' atanf.
MPSEARCH_HD inline float atan(float x) {
  const float a = abs(x);
  const bool large = a > 2.41421356F;  // tan(3 pi / 8)
  const bool middle = a > 0.414213562F;
  const float offset = large ? 0x1.921fb6p+0F : middle ? 0x1.921fb6p-1F : 0.0F;
  const float over = large ? -1.0F : middle ? a - 1.0F : a;
  const float under = large ? a : middle ? a + 1.0F : 1.0F;
  const float t = over / under;
  const float z = t * t;
  float q = 8.05374449538e-2F;
  q = fma(q, z, -1.38776856032e-1F);
  q = fma(q, z, 1.99777106478e-1F);
  q = fma(q, z, -3.33329491539e-1F);
  return with_sign_of(offset + fma(q * z, t, t), x);
}

/// asin(t) for t in [0, 1/2], z = t^2: Cephes' asinf.
MPSEARCH_HD inline float asin_small(float t, float z) {
  float q = 4.2163199048e-2F;
  q = fma(q, z, 2.4181311049e-2F);
  q = fma(q, z, 4.5470025998e-2F);
  q = fma(q, z, 7.4953002686e-2F);
  q = fma(q, z, 1.6666752422e-1F);
  return fma(q * z, t, t);
}

/// 2 ULP; NaN beyond 1.
MPSEARCH_HD inline float asin(float x) {
  const float a = abs(x);
  const bool outer = a > 0.5F;
  const float z = outer ? 0.5F * (1.0F - a) : a * a;
  const float root = ::sqrtf(z);
  const float p = asin_small(outer ? root : a, z);
  return with_sign_of(outer ? 0x1.921fb6p+0F - (p + p) : p, x);
}

/// 2 ULP; NaN beyond 1.
MPSEARCH_HD inline float acos(float x) {
  const float a = abs(x);
  const bool outer = a > 0.5F;
  const float z = outer ? 0.5F * (1.0F - a) : a * a;
  const float root = ::sqrtf(z);
  const float p = asin_small(outer ? root : a, z);
  const float far = x < 0.0F ? 0x1.921fb6p+1F - (p + p) : p + p;
  const float near = 0x1.921fb6p+0F - with_sign_of(p, x);
  return outer ? far : near;
}

/// 3 ULP.
MPSEARCH_HD inline float sinh(float x) {
  const float a = abs(x);
  const float e = expm1(at_most(a, 20.0F));
  const float half = exp(0.5F * a);
  const float small = 0.5F * (e + e / (e + 1.0F));
  return with_sign_of(a > 20.0F ? 0.5F * half * half : small, x);
}

/// 3 ULP.
MPSEARCH_HD inline float cosh(float x) {
  const float a = abs(x);
  const float e = exp(at_most(a, 20.0F));
  const float half = exp(0.5F * a);
  return a > 20.0F ? 0.5F * half * half : 0.5F * (e + 1.0F / e);
}

/// 3 ULP.
MPSEARCH_HD inline float asinh(float x) {
  const float a = at_most(abs(x), 1e9F);
  const float small = log1p(a + a * a / (1.0F + ::sqrtf(a * a + 1.0F)));
  const float large = log(abs(x)) + 0x1.62e43p-1F;
  return with_sign_of(abs(x) > 1e9F ? large : small, x);
}

/// 3 ULP; NaN below 1.
MPSEARCH_HD inline float acosh(float x) {
  const float t = at_most(x, 1e9F) - 1.0F;
  const float small = log1p(t + ::sqrtf(t + t + t * t));
  const float large = log(x) + 0x1.62e43p-1F;
  const float y = x > 1e9F ? large : small;
  return x >= 1.0F ? y : __builtin_nanf("");
}

/// 3 ULP; infinite at 1, NaN beyond.
MPSEARCH_HD inline float atanh(float x) {
  const float a = abs(x);
  const float inside = 0.5F * log1p(2.0F * a / (1.0F - a));
  return with_sign_of(a == 1.0F ? __builtin_inff() : inside, x);
}

/// To the nearest integer, ties to even.
MPSEARCH_HD inline float round_even(float x) {
  const float a = abs(x);
  const float rounded = (a + 0x1p23F) - 0x1p23F;
  return a < 0x1p23F ? with_sign_of(rounded, x) : x;
}
MPSEARCH_HD inline float floor(float x) {
  const float r = round_even(x);
  return r > x ? r - 1.0F : r;
}
MPSEARCH_HD inline float ceil(float x) {
  const float r = round_even(x);
  return r < x ? with_sign_of(r + 1.0F, x) : r;
}

/// c ? a : b by masks: where many conditions meet, GCC turns `?:` into branches and stops
/// vectorising.
MPSEARCH_HD inline float select(bool c, float a, float b) {
  const std::uint32_t mask = 0u - static_cast<std::uint32_t>(c);
  return float_from_bits((float_bits(a) & mask) | (float_bits(b) & ~mask));
}
MPSEARCH_HD inline double select(bool c, double a, double b) {
  const std::uint64_t mask = std::uint64_t{0} - static_cast<std::uint64_t>(c);
  return __builtin_bit_cast(double, (__builtin_bit_cast(std::uint64_t, a) & mask) |
                                        (__builtin_bit_cast(std::uint64_t, b) & ~mask));
}

/// log2 of |x| in FP64 (relative error 2^-45); +-Inf and NaN as in IEEE.
MPSEARCH_HD inline double log2_wide(float x) {
  const float a = abs(x);
  const Split part = split(a);
  const double m = part.mantissa;
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double q = 0x1.21bbb14ec7756p-2;
  q = fma(q, z, 0x1.47949f4431e18p-2);
  q = fma(q, z, 0x1.a61a32fb5283dp-2);
  q = fma(q, z, 0x1.2776c28e4cf3dp-1);
  q = fma(q, z, 0x1.ec709dc540663p-1);
  q = fma(q, z, 0x1.71547652b824fp+1);
  const double y = fma(s, q, static_cast<double>(part.exponent));
  const double special = select(a == 0.0F, -__builtin_inf(), static_cast<double>(a));
  return select((a > 0.0F) & (a < __builtin_inff()), y, special);
}

/// 2^t for t in [-160, 160], relative error 2^-40.
MPSEARCH_HD inline double exp2_wide(double t) {
  constexpr double kRound = 0x1.8p52;
  const double shifted = t + kRound;
  const double f = t - (shifted - kRound);
  double p = 0x1.61c3e0da91da4p-20;
  p = fma(p, f, 0x1.00d9493c5a782p-16);
  p = fma(p, f, 0x1.430aabcf33966p-13);
  p = fma(p, f, 0x1.5d874b9f3e0cap-10);
  p = fma(p, f, 0x1.3b2ab5ea29898p-7);
  p = fma(p, f, 0x1.c6b08dcff1fcep-5);
  p = fma(p, f, 0x1.ebfbdff8f105fp-3);
  p = fma(p, f, 0x1.62e42fef896a7p-1);
  p = fma(p, f, 1.0);
  const std::uint64_t power = __builtin_bit_cast(std::uint64_t, shifted) + 1023u;
  return p * __builtin_bit_cast(double, power << 52);
}

/// 1 ULP; special cases as in C's pow.
MPSEARCH_HD inline float pow(float x, float y) {
  double t = static_cast<double>(y) * log2_wide(x);
  t = select((abs(x) == 1.0F) & (y == y), 0.0, t);
  t = select(t > 150.0, 150.0, t);
  t = select(t < -160.0, -160.0, t);
  const auto magnitude = static_cast<float>(exp2_wide(t));
  constexpr float kAllEven = 0x1p24F;  // from here on every float is an even integer
  const float z = select(abs(y) < kAllEven, y, 0.0F);
  const auto integer = static_cast<std::int32_t>(z);
  const bool whole = static_cast<float>(integer) == z;
  const std::uint32_t odd = static_cast<std::uint32_t>(integer) & static_cast<std::uint32_t>(whole);
  const float result = float_from_bits(float_bits(magnitude) ^ (float_bits(x) & (odd << 31)));
  const bool undefined = (x < 0.0F) & (x > -__builtin_inff()) & !whole;
  const float defined = select(undefined, __builtin_nanf(""), result);
  return select((x == 1.0F) | (y == 0.0F), 1.0F, defined);
}

}  // namespace mpsearch::math
