// The one macro of the project and the bit casts that the number formats are made of. Everything in
// kernels/number and kernels/math compiles for the host and, under nvcc, for the device.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define MPSEARCH_HD __host__ __device__
#else
#define MPSEARCH_HD
#endif

namespace mpsearch {

// __builtin_bit_cast, since nvcc warns of the standard library's functions in device code.
MPSEARCH_HD constexpr std::uint32_t float_bits(float value) {
  return __builtin_bit_cast(std::uint32_t, value);
}

MPSEARCH_HD constexpr float float_from_bits(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

namespace small_float {

/// Reads `magnitude` (a code without its sign) of a format with `mantissa` bits of fraction and
/// exponent bias `bias`: finite codes only. Exact, subnormals included, without a branch.
template <int mantissa, int bias>
MPSEARCH_HD constexpr float decode_finite(std::uint32_t magnitude) {
  constexpr int kShift = 23 - mantissa;
  constexpr std::uint32_t kRebias = std::uint32_t{127 - bias} << 23;
  constexpr std::uint32_t kMinNormal = std::uint32_t{128 - bias} << 23;
  const std::uint32_t normal = (magnitude << kShift) + kRebias;
  // A subnormal is (1 + fraction) 2^e - 2^e: no FP32 subnormals, which some CPUs compute slowly.
  const float subnormal =
      float_from_bits((magnitude << kShift) + kMinNormal) - float_from_bits(kMinNormal);
  return magnitude < (1u << mantissa) ? subnormal : float_from_bits(normal);
}

/// The code without its sign of |value| given as FP32 bits, to nearest even, subnormals included;
/// a magnitude above the format's range gives some code above its largest finite one.
template <int mantissa, int bias>
MPSEARCH_HD constexpr std::uint32_t encode_magnitude(std::uint32_t magnitude) {
  constexpr int kShift = 23 - mantissa;
  constexpr std::uint32_t kRebias = std::uint32_t{127 - bias} << 23;
  constexpr std::uint32_t kMinNormal = std::uint32_t{128 - bias} << 23;
  constexpr std::uint32_t kHalf = (1u << (kShift - 1)) - 1;
  const std::uint32_t odd = (magnitude >> kShift) & 1u;
  const std::uint32_t normal = (magnitude - kRebias + kHalf + odd) >> kShift;
  // One unit in the last place of this float is the smallest subnormal: the addition rounds.
  constexpr std::uint32_t kMagic = std::uint32_t{128 - bias + 23 - mantissa} << 23;
  const std::uint32_t subnormal =
      float_bits(float_from_bits(magnitude) + float_from_bits(kMagic)) - kMagic;
  return magnitude < kMinNormal ? subnormal : normal;
}

}  // namespace small_float

}  // namespace mpsearch
