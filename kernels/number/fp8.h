// FP8 storage: E4M3 (finite and NaN only, largest 448) for values, E5M2 (largest 57344) for
// gradients. Casts saturate, so a caller flags non-finite values before the cast.
#pragma once

#include <cstdint>

#include "kernels/number/bits.h"

namespace mpsearch {

struct F8E4M3 {
  std::uint8_t bits;
  bool operator==(const F8E4M3&) const = default;
};

struct F8E5M2 {
  std::uint8_t bits;
  bool operator==(const F8E5M2&) const = default;
};

/// Exact; NaN loses its sign, as in the CUDA headers.
MPSEARCH_HD constexpr float to_float(F8E4M3 value) {
  const std::uint32_t magnitude = value.bits & 0x7Fu;
  const std::uint32_t sign = std::uint32_t{value.bits & 0x80u} << 24;
  const std::uint32_t finite = float_bits(small_float::decode_finite<3, 7>(magnitude)) | sign;
  return float_from_bits(magnitude == 0x7Fu ? 0x7FFFFFFFu : finite);
}

/// Exact; NaN loses its sign and payload, as in the CUDA headers.
MPSEARCH_HD constexpr float to_float(F8E5M2 value) {
  const std::uint32_t magnitude = value.bits & 0x7Fu;
  const std::uint32_t sign = std::uint32_t{value.bits & 0x80u} << 24;
  const std::uint32_t finite = float_bits(small_float::decode_finite<2, 15>(magnitude)) | sign;
  const std::uint32_t inf_or_finite = magnitude == 0x7Cu ? (0x7F800000u | sign) : finite;
  return float_from_bits(magnitude > 0x7Cu ? 0x7FFFFFFFu : inf_or_finite);
}

/// To nearest even; +-Inf and anything above 448 in magnitude gives +-448; NaN gives 0x7F.
MPSEARCH_HD constexpr F8E4M3 to_f8e4m3(float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t code = small_float::encode_magnitude<3, 7>(magnitude);
  const std::uint32_t clamped = (code < 0x7Eu ? code : 0x7Eu) | ((bits >> 24) & 0x80u);
  return {static_cast<std::uint8_t>(magnitude > 0x7F800000u ? 0x7Fu : clamped)};
}

/// To nearest even; +-Inf and anything above 57344 in magnitude gives +-57344; NaN gives 0x7F.
MPSEARCH_HD constexpr F8E5M2 to_f8e5m2(float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t code = small_float::encode_magnitude<2, 15>(magnitude);
  const std::uint32_t clamped = (code < 0x7Bu ? code : 0x7Bu) | ((bits >> 24) & 0x80u);
  return {static_cast<std::uint8_t>(magnitude > 0x7F800000u ? 0x7Fu : clamped)};
}

}  // namespace mpsearch
