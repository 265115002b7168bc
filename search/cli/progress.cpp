#include "search/cli/progress.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace mpsearch {
namespace {

constexpr int kBar = 20;
constexpr auto kInterval = std::chrono::milliseconds(100);

}  // namespace

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string progress_line(std::string_view phase, std::int64_t done, std::int64_t total,
                          double seconds, std::string_view facts) {
  std::string line;
  if (total > 0) {
    const double share =
        std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * kBar);
    line = fmt::format("{}  [{}{}]  {:3.0f} %  {}/{}", phase, std::string(full, '#'),
                       std::string(kBar - full, '-'), std::floor(share * 100), done, total);
    if (done > 0 && done < total) {
      line += fmt::format("  {} left", format_duration(seconds * (1 - share) / share));
    }
  } else {
    line = fmt::format("{}  {}  {}", phase, done, format_duration(seconds));
  }
  return facts.empty() ? line : fmt::format("{}  {}", line, facts);
}

Progress::Progress(Console& console, std::string phase, std::int64_t total)
    : console_(console), phase_(std::move(phase)), total_(total), start_(Clock::now()) {}

Progress::~Progress() { console_.set_live_line({}); }

void Progress::update(std::int64_t done, std::string_view facts) {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  if (console_.live()) {
    if (now - drawn_ < kInterval && done != total_) return;
    drawn_ = now;
    console_.set_live_line(progress_line(phase_, done, total_, seconds, facts));
    return;
  }
  if (total_ <= 0) return;
  const auto tenths = static_cast<int>(done * 10 / total_);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  console_.note(fmt::format("{} {} % ({}/{}, {}){}{}", phase_, tenths * 10, done, total_,
                            format_duration(seconds), facts.empty() ? "" : "  ", facts));
}

}  // namespace mpsearch
