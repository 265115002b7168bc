// F16: IEEE binary16 on an integer (nvcc crashes on _Float16). Storage only; arithmetic is FP32.
#pragma once

#include <cstdint>

#include "kernels/number/bits.h"

namespace mpsearch {

struct F16 {
  std::uint16_t bits;
  bool operator==(const F16&) const = default;
};

/// Exact; NaN loses sign and payload, as in the CUDA headers.
MPSEARCH_HD constexpr float to_float(F16 value) {
  const std::uint32_t magnitude = value.bits & 0x7FFFu;
  const std::uint32_t sign = (value.bits & 0x8000u) << 16;
  const std::uint32_t finite = float_bits(small_float::decode_finite<10, 15>(magnitude)) | sign;
  const std::uint32_t inf_or_finite = magnitude == 0x7C00u ? (0x7F800000u | sign) : finite;
  return float_from_bits(magnitude > 0x7C00u ? 0x7FFFFFFFu : inf_or_finite);
}

/// To nearest even; overflow gives Inf; every NaN gives 0x7FFF, as in the CUDA headers.
MPSEARCH_HD constexpr F16 to_f16(float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const std::uint32_t code = small_float::encode_magnitude<10, 15>(magnitude);
  const std::uint32_t clamped = (code < 0x7C00u ? code : 0x7C00u) | ((bits >> 16) & 0x8000u);
  return {static_cast<std::uint16_t>(magnitude > 0x7F800000u ? 0x7FFFu : clamped)};
}

}  // namespace mpsearch
