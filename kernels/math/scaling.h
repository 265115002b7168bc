// Scaling state: the dynamic loss scale of FP16 training, and FP8 scales from a tensor's amax.
// Plain data and pure functions, so that host and device step them alike.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/number/bits.h"
#include "kernels/number/fp8.h"

namespace mpsearch {

struct LossScalerSettings {
  float initial = 65536.0F;
  float growth = 2.0F;
  float backoff = 0.5F;
  float floor = 0.0F;
  float cap = __builtin_inff();
  std::int32_t interval = 2000;  // accepted steps in a row before the scale grows
  std::int32_t hysteresis = 1;   // overflows before it shrinks
};

/// A power of two, and what decides its next value.
struct LossScaler {
  float scale;
  std::int32_t good;        // accepted steps since the last change or overflow
  std::int32_t hysteresis;  // overflows left before the scale shrinks
  std::int32_t skipped;     // steps skipped in all
};

MPSEARCH_HD inline LossScaler initial_state(const LossScalerSettings& settings) {
  return {settings.initial, 0, settings.hysteresis, 0};
}

/// The state after a step with or without an overflow.
MPSEARCH_HD inline LossScaler next(LossScaler state, const LossScalerSettings& settings,
                                   bool overflow) {
  if (overflow) {
    state.good = 0;
    state.skipped += 1;
    if (state.hysteresis > 1) {
      state.hysteresis -= 1;
    } else {
      const float lower = state.scale * settings.backoff;
      state.scale = lower > settings.floor ? lower : settings.floor;
    }
    return state;
  }
  state.hysteresis = settings.hysteresis;
  state.good += 1;
  if (state.good >= settings.interval) {
    const float higher = state.scale * settings.growth;
    if (higher < __builtin_inff() && higher <= settings.cap) state.scale = higher;
    state.good = 0;
  }
  return state;
}

/// What gradients are multiplied by to undo the scale.
MPSEARCH_HD inline float unscale_factor(float scale) {
  return static_cast<float>(1.0 / static_cast<double>(scale));
}

/// The largest finite value of an FP8 format.
template <class T>
inline constexpr float kLargest = 0.0F;
template <>
inline constexpr float kLargest<F8E4M3> = 448.0F;
template <>
inline constexpr float kLargest<F8E5M2> = 57344.0F;

/// Exact: largest / amax. PowerOfTwo: that, floored to a power of two, which is undone exactly.
enum class Fp8Scale : unsigned char { PowerOfTwo, Exact };

/// The factor s of q = cast(x s) for a tensor whose largest finite magnitude is amax; 1 where amax
/// is 0 or not finite. Always finite; 1 / s is the scale of the stored tensor.
template <class T>
MPSEARCH_HD float fp8_scale(float amax, Fp8Scale kind) {
  if (!(amax > 0.0F && amax < __builtin_inff())) return 1.0F;
  const float ratio = kLargest<T> / amax;
  const float exact = ratio < 0x1p126F ? ratio : 0x1p126F;  // 1 / s stays a normal number
  return kind == Fp8Scale::Exact ? exact : float_from_bits(float_bits(exact) & 0x7F800000u);
}

}  // namespace mpsearch
