#include "search/cli/size.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array<Unit, 9> kUnits{{{"B", 1},
                                      {"kB", 1e3},
                                      {"MB", 1e6},
                                      {"GB", 1e9},
                                      {"TB", 1e12},
                                      {"KiB", 1024.0},
                                      {"MiB", 1024.0 * 1024},
                                      {"GiB", 1024.0 * 1024 * 1024},
                                      {"TiB", 1024.0 * 1024 * 1024 * 1024}}};

bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

[[noreturn]] void refuse(std::string_view text, std::string_view option, std::string why,
                         std::string_view number) {
  const std::string sample(number.empty() ? "64" : number);
  throw Error(ErrorKind::Usage,
              {.what = fmt::format("--{} {}: not a size", option, text),
               .at = {},
               .why = std::move(why),
               .try_ = fmt::format("--{0} {1}MiB, --{0} {1}MB, or of the FP32 peak --{0} 80%, "
                                   "--{0} 0.8x",
                                   option, sample)});
}

}  // namespace

std::int64_t Size::of(std::int64_t fp32_peak) const {
  if (share == 0) return bytes;
  return static_cast<std::int64_t>(std::floor(share * static_cast<double>(fp32_peak)));
}

Size parse_size(std::string_view text, std::string_view option) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || !std::isfinite(number)) {
    refuse(text, option, "a size is a number with a unit", {});
  }
  const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
  std::string_view unit = text.substr(digits.size());
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (number <= 0) refuse(text, option, "a size is greater than zero", {});
  if (unit.empty()) refuse(text, option, "a size needs a unit", digits);
  if (unit == "%") return {.bytes = 0, .share = number / 100};
  if (same_word(unit, "x")) return {.bytes = 0, .share = number};
  for (const Unit& known : kUnits) {
    if (!same_word(unit, known.name)) continue;
    const double bytes = number * known.bytes;
    if (bytes >= 0x1p63) refuse(text, option, "more bytes than 63 bits can count", {});
    if (bytes < 1) refuse(text, option, "less than one byte", {});
    return {.bytes = static_cast<std::int64_t>(std::floor(bytes + 1e-6)), .share = 0};
  }
  refuse(text, option,
         fmt::format("unknown unit '{}'; known are B, kB, MB, GB (powers of 1000), KiB, MiB, GiB "
                     "(powers of 1024), % and x",
                     unit),
         digits);
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<std::string_view, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(value) >= 1000 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  const int digits = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, kNames[unit]);
}

}  // namespace mpsearch
