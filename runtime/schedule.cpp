#include "runtime/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mpsearch {

float LearningRate::at(std::int64_t attempt) const {
  if (attempt < warmup) {
    return static_cast<float>(base * static_cast<double>(attempt + 1) /
                              static_cast<double>(warmup));
  }
  const auto done = static_cast<double>(attempt - warmup);
  switch (kind) {
    case ScheduleKind::Constant:
      return static_cast<float>(base);
    case ScheduleKind::Step:
      return static_cast<float>(
          base * std::pow(step_factor, std::floor(done / static_cast<double>(step_size))));
    case ScheduleKind::Cosine: {
      const auto length = static_cast<double>(std::max<std::int64_t>(1, total - warmup));
      const double part = std::min(1.0, done / length);
      return static_cast<float>(base * 0.5 * (1 + std::cos(std::numbers::pi * part)));
    }
  }
  return static_cast<float>(base);
}

}  // namespace mpsearch
