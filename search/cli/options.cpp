#include "search/cli/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "search/cli/option_rows.h"
#include "search/cli/size.h"

namespace mpsearch {
namespace {

template <class T>
bool read_number(std::string_view text, T& value) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

bool is_word(const OptionSpec& spec, std::string_view text) {
  return std::find(spec.words.begin(), spec.words.end(), text) != spec.words.end();
}

/// A use of the option that is right.
std::string example_of(const OptionSpec& spec) {
  const std::string flag = "--" + std::string(spec.name);
  if (spec.type == OptionType::Flag) return flag;
  if (!spec.fallback.empty()) return fmt::format("{} {}", flag, spec.fallback);
  if (spec.type == OptionType::Word) return fmt::format("{} {}", flag, spec.words.front());
  if (spec.type == OptionType::Integer)
    return fmt::format("{} {}", flag, spec.low > 1 ? spec.low : 32);
  if (spec.type == OptionType::Number) return fmt::format("{} {}", flag, 1.0);
  return fmt::format("{} {}", flag, spec.value);
}

[[noreturn]] void refuse(const OptionSpec& spec, std::string_view source, std::string_view value,
                         std::string why) {
  const std::vector<std::string> words(spec.words.begin(), spec.words.end());
  std::string try_ = did_you_mean(value, words);
  if (try_.empty()) try_ = example_of(spec);
  throw Error(ErrorKind::Usage, {.what = fmt::format("{}: bad value '{}'", source, value),
                                 .at = {},
                                 .why = std::move(why),
                                 .try_ = std::move(try_)});
}

void check_range(const OptionSpec& spec, std::string_view source, std::string_view value,
                 double number) {
  if (number < spec.low || (spec.above && number == spec.low)) {
    refuse(spec, source, value,
           fmt::format("it must be {} {}", spec.above ? "greater than" : "at least", spec.low));
  }
  const double high = greatest(spec);
  if (number > high || (spec.below && number == high)) {
    refuse(spec, source, value,
           fmt::format("it must be {} {}", spec.below ? "less than" : "at most", high));
  }
}

void check_value(const OptionSpec& spec, std::string_view source, std::string_view value) {
  if (is_word(spec, value)) return;
  const std::string words = fmt::format("{}", fmt::join(spec.words, ", "));
  const std::string beside = words.empty() ? words : " or one of " + words;
  if (spec.type == OptionType::Word) {
    refuse(spec, source, value, "it must be one of " + words);
  } else if (spec.type == OptionType::Flag) {
    if (value != "true" && value != "false") {
      refuse(spec, source, value, "a switch is true or false");
    }
  } else if (spec.type == OptionType::Size) {
    parse_size(value, spec.name);
  } else if (spec.type == OptionType::Integer) {
    std::int64_t number = 0;
    if (!read_number(value, number)) {
      refuse(spec, source, value, "it must be a whole number" + beside);
    }
    check_range(spec, source, value, static_cast<double>(number));
  } else if (spec.type == OptionType::Number) {
    double number = 0;
    if (!read_number(value, number) || !std::isfinite(number)) {
      refuse(spec, source, value, "it must be a number" + beside);
    }
    check_range(spec, source, value, number);
  } else if (spec.type == OptionType::Path && value.empty()) {
    refuse(spec, source, value, "it must name a file or folder");
  }
}

}  // namespace

double greatest(const OptionSpec& spec) {
  if (spec.high != 0) return spec.high;
  return spec.type == OptionType::Integer ? 1e12 : std::numeric_limits<float>::max();
}

Options::Options(std::vector<const OptionSpec*> specs) : specs_(std::move(specs)) {}

const OptionSpec* Options::find(std::string_view name) const {
  const auto found = std::find_if(specs_.begin(), specs_.end(),
                                  [name](const OptionSpec* spec) { return spec->name == name; });
  return found == specs_.end() ? nullptr : *found;
}

const OptionSpec& Options::spec_of(std::string_view name) const {
  const OptionSpec* spec = find(name);
  require(spec != nullptr, ErrorKind::Internal, fmt::format("no option --{} here", name));
  return *spec;
}

void Options::set(const OptionSpec& spec, std::vector<std::string> values,
                  std::string_view source) {
  for (const std::string& value : values) check_value(spec, source, value);
  values_[spec.name] = std::move(values);
}

bool Options::given(std::string_view name) const { return values_.contains(spec_of(name).name); }

bool Options::has(std::string_view name) const { return find(name) != nullptr && given(name); }

bool Options::flag(std::string_view name) const { return text(name) == "true"; }

std::string Options::text(std::string_view name) const {
  const OptionSpec& spec = spec_of(name);
  const auto found = values_.find(spec.name);
  if (found == values_.end() || found->second.empty()) return std::string(spec.fallback);
  return found->second.back();
}

bool Options::is_number(std::string_view name) const {
  double number = 0;
  return read_number(text(name), number);
}

std::int64_t Options::integer(std::string_view name) const {
  std::int64_t value = 0;
  require(read_number(text(name), value), ErrorKind::Internal,
          fmt::format("--{} has no whole number", name));
  return value;
}

double Options::number(std::string_view name) const {
  double value = 0;
  require(read_number(text(name), value), ErrorKind::Internal,
          fmt::format("--{} has no number", name));
  return value;
}

std::vector<std::string> Options::list(std::string_view name) const {
  const auto found = values_.find(spec_of(name).name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::span<const OptionSpec> option_table() {
  static const std::vector<OptionSpec> table = [] {
    std::vector<OptionSpec> rows = search_rows();
    for (const std::vector<OptionSpec>& part : {training_rows(), other_rows()}) {
      rows.insert(rows.end(), part.begin(), part.end());
    }
    return rows;
  }();
  return table;
}

bool belongs_to(const OptionSpec& spec, std::string_view verb) {
  if (spec.verbs == "*") return true;
  std::string_view rest = spec.verbs;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, end) == verb) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace mpsearch
