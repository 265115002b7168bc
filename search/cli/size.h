// Sizes as users write them: with a unit, or relative to the FP32 peak. Used for --budget.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mpsearch {

/// A number of bytes, or a share of the peak of the plain FP32 step.
struct Size {
  std::int64_t bytes = 0;  // 0 where relative
  double share = 0;        // 0 where absolute

  /// Bytes, given the peak of the FP32 step in bytes.
  std::int64_t of(std::int64_t fp32_peak) const;
};

/// Reads "64MiB", "1.5GB", "200kB", "4096B", "80%" or "0.5x". `option` names the flag in errors.
/// Throws Usage where the unit is missing or unknown, or the size is not a positive 63-bit number.
Size parse_size(std::string_view text, std::string_view option);

/// "12.3 MiB", "512 B": binary units with three figures, as all tables show bytes.
std::string format_bytes(std::int64_t bytes);

}  // namespace mpsearch
