// Progress of one phase of long work, on stderr: a live bar with the time left on a terminal, a
// line per tenth otherwise. Used by plan, train, profile and the like.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "search/cli/console.h"

namespace mpsearch {

class Progress {
 public:
  /// `total` counts the phase's steps; 0 where it is not known.
  Progress(Console& console, std::string phase, std::int64_t total);
  /// Removes the live line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` steps are done; `facts` stand behind the bar ("loss 0.31"). Cheap: draws at most ten
  /// times a second.
  void update(std::int64_t done, std::string_view facts = {});

 private:
  using Clock = std::chrono::steady_clock;

  Console& console_;
  std::string phase_;
  std::int64_t total_;
  Clock::time_point start_;
  Clock::time_point drawn_;
  int tenths_ = 0;
};

/// "profile  [#####-----]  50 %  5/10  0:12 left  loss 0.3" for `seconds` spent so far.
std::string progress_line(std::string_view phase, std::int64_t done, std::int64_t total,
                          double seconds, std::string_view facts);

/// "0:07", "12:30", "1:02:03".
std::string format_duration(double seconds);

}  // namespace mpsearch
