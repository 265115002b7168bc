// The two small records in the arena through which host and step talk: StepInputs is written by the
// host before a step, StepState is changed by the step alone and read back one step late. Plain
// data.
#pragma once

#include <cstdint>

namespace mpsearch {

/// What changes from step to step and is decided by the host.
struct StepInputs {
  std::uint64_t seed = 0;
  std::uint64_t attempt = 0;  // counts micro-batches, of skipped steps too; one a step by default
  float learning_rate = 0;
};

/// Loss-scaler state and what the last step found (numerics.md, section 3). Committed by
/// StepControl; the optimizer nodes read it.
struct StepState {
  // Kept from step to step.
  float loss_scale = 1;
  std::int32_t good = 0;         // accepted steps since the last change of the scale
  std::int32_t hysteresis = 1;   // overflows left before the scale falls
  std::int32_t consecutive = 0;  // overflows in a row
  std::int64_t dynamic = 0;      // 1: the loss scale follows the overflows
  std::int64_t skipped_total = 0;
  std::int64_t accepted = 0;       // Adam's t, after this step
  std::int64_t micro_batches = 1;  // whose gradients are summed in a step; never changes
  // Of the last step.
  std::int32_t overflow = 0;    // 1: the step was skipped
  std::int32_t first_bad = -1;  // index of the first gradient with a non-finite element, or -1
  float loss = 0;
  float norm = 0;             // of the unscaled gradients, before clipping
  float gradient_factor = 1;  // inverse loss scale times clip coefficient
  float learning_rate = 0;

  /// What the gradient of a mean loss is multiplied by.
  constexpr float gradient_scale() const { return loss_scale / static_cast<float>(micro_batches); }
};

}  // namespace mpsearch
