// BF16: the upper half of an FP32. Storage only; arithmetic happens in FP32.
#pragma once

#include <cstdint>

#include "kernels/number/bits.h"

namespace mpsearch {

struct BF16 {
  std::uint16_t bits;
  bool operator==(const BF16&) const = default;
};

/// Exact.
MPSEARCH_HD constexpr float to_float(BF16 value) {
  return float_from_bits(std::uint32_t{value.bits} << 16);
}

/// To nearest even; overflow gives Inf; every NaN gives 0x7FFF, as in the CUDA headers.
MPSEARCH_HD constexpr BF16 to_bf16(float value) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return {static_cast<std::uint16_t>(nan ? 0x7FFFu : rounded)};
}

/// Rounds up with a probability equal to the distance from the lower neighbour (in magnitude), from
/// the low 16 bits of `random`. Inf and NaN as in to_bf16.
MPSEARCH_HD constexpr BF16 to_bf16_stochastic(float value, std::uint32_t random) {
  const std::uint32_t bits = float_bits(value);
  const std::uint32_t rounded = (bits + (random & 0xFFFFu)) >> 16;
  const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return {static_cast<std::uint16_t>(nan ? 0x7FFFu : rounded)};
}

}  // namespace mpsearch
