// Options: the description of every flag, and the values that a run was given. One table of
// OptionSpec drives parsing, environment, configuration file, help, completions and the
// configuration's schema.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mpsearch {

enum class OptionType { Flag, Integer, Number, Text, Path, Size, Word };

struct OptionSpec {
  std::string_view name;  // without dashes
  char letter = 0;
  OptionType type = OptionType::Flag;
  std::string_view value = {};     // how help shows the value: "N|auto"
  std::string_view fallback = {};  // the default, as text; empty: none
  std::string_view help = {};
  std::string_view verbs = {};  // "plan train", "*" for all
  std::string_view group = {};
  bool common = false;   // shown by -h
  bool repeats = false;  // may be given several times; a list in the configuration file
  std::vector<std::string_view> words = {};  // of a Word all values, of a number those beside it
  // Least and greatest value of a number, and whether these are excluded. Beyond the defaults a
  // number is no 32-bit float, and a product of two counts overflows.
  double low = -std::numeric_limits<float>::max();
  double high = 0;  // 0: the default of its type
  bool above = false;
  bool below = false;
  bool written = false;  // a path that the verb writes
};

/// The greatest value of a numeric option.
double greatest(const OptionSpec& spec);

/// The values of one run: what flags, environment and configuration file gave, else the default.
class Options {
 public:
  explicit Options(std::vector<const OptionSpec*> specs);

  const std::vector<const OptionSpec*>& specs() const { return specs_; }
  const OptionSpec* find(std::string_view name) const;

  /// Sets all values of an option. Throws Usage where one is malformed; `source` names flag,
  /// variable or file in the error ("--lr", "MPSEARCH_LR", "run.toml: lr").
  void set(const OptionSpec& spec, std::vector<std::string> values, std::string_view source);

  /// Whether anything but the default sets it. A name that the verb lacks is an Internal error here
  /// and below.
  bool given(std::string_view name) const;
  /// given(), and false where the verb lacks the option.
  bool has(std::string_view name) const;
  bool flag(std::string_view name) const;
  /// The last value or the default, which may be empty.
  std::string text(std::string_view name) const;
  /// Whether text() is a number and not one of the option's words.
  bool is_number(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;

 private:
  const OptionSpec& spec_of(std::string_view name) const;

  std::vector<const OptionSpec*> specs_;
  std::map<std::string_view, std::vector<std::string>> values_;
};

/// The whole table, in the order of help.
std::span<const OptionSpec> option_table();

/// Whether `spec` belongs to the verb.
bool belongs_to(const OptionSpec& spec, std::string_view verb);

}  // namespace mpsearch
