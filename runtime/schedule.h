// Learning-rate schedules: a pure function of the attempt, so that a resume needs no state.
#pragma once

#include <cstdint>
#include <string>

namespace mpsearch {

enum class ScheduleKind : std::uint8_t { Constant, Step, Cosine };

struct LearningRate {
  double base = 1e-3;
  ScheduleKind kind = ScheduleKind::Constant;
  std::int64_t warmup = 0;     // attempts of linear growth from base / warmup to base
  std::int64_t total = 0;      // attempts in the whole run (cosine reaches 0 after it)
  std::int64_t step_size = 0;  // Step: attempts between falls
  double step_factor = 0.1;    // Step: factor of a fall

  /// Rate of 0-based attempt `attempt`.
  float at(std::int64_t attempt) const;
};

}  // namespace mpsearch
