#include "search/cli/parse.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "search/cli/config_file.h"

namespace mpsearch {
namespace {

/// The option of any verb that a word names, "--budget=1GB" and "-o" alike, or null.
const OptionSpec* option_named(const CommandSet& set, std::string_view word) {
  for (const OptionSpec& spec : set.options) {
    if (word.starts_with("--")) {
      if (word.substr(2, word.find('=') - 2) == spec.name) return &spec;
    } else if (word.size() >= 2 && word[1] == spec.letter) {
      return &spec;
    }
  }
  return nullptr;
}

/// Index of the first word that is neither a flag nor the value of one; words.size() for none.
std::size_t first_free_word(const CommandSet& set, const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") return i + 1;
    if (word.size() < 2 || word[0] != '-') return i;
    const OptionSpec* spec = option_named(set, word);
    const bool separate = word.starts_with("--") ? word.find('=') == word.npos : word.size() == 2;
    if (spec != nullptr && spec->type != OptionType::Flag && separate) ++i;
  }
  return words.size();
}

Help asked_help(const std::vector<std::string>& words) {
  Help help = Help::None;
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word == "--help") return Help::Full;
    if (word == "-h") help = Help::Short;
    if (word == "--version" && help == Help::None) help = Help::Version;
  }
  return help;
}

/// Picks the verb and takes its word out of `words`.
const Verb* take_verb(const CommandSet& set, std::vector<std::string>& words, bool helping) {
  const std::size_t at = first_free_word(set, words);
  if (at >= words.size()) return nullptr;
  const std::string word = words[at];
  if (const Verb* verb = set.find(word)) {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
    return verb;
  }
  std::error_code ignored;
  const bool file = word.find_first_of("/.") != word.npos || std::filesystem::exists(word, ignored);
  if (file && set.find("plan") != nullptr) return set.find("plan");
  if (helping) return nullptr;
  std::vector<std::string> names;
  for (const Verb& verb : set.verbs) names.emplace_back(verb.name);
  std::string try_ = did_you_mean(word, names);
  throw Error(ErrorKind::Usage, {.what = fmt::format("'{}' is neither a command nor a file", word),
                                 .at = {},
                                 .why = fmt::format("commands are {}", fmt::join(names, ", ")),
                                 .try_ = try_.empty() ? "mpsearch --help" : std::move(try_)});
}

std::string flag_names(const OptionSpec& spec) {
  std::string names = "--" + std::string(spec.name);
  if (spec.letter != 0) names = fmt::format("-{},{}", spec.letter, names);
  return names;
}

[[noreturn]] void refuse_flag(const CommandSet& set, const Verb& verb, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  if (const OptionSpec* elsewhere = option_named(set, word); elsewhere != nullptr) {
    throw Error(ErrorKind::Usage, {.what = fmt::format("{} is no option of {}", name, verb.name),
                                   .at = {},
                                   .why = fmt::format("it belongs to {}", elsewhere->verbs),
                                   .try_ = fmt::format("mpsearch {} --help", verb.name)});
  }
  std::vector<std::string> names;
  for (const OptionSpec* spec : set.options_of(verb.name)) {
    names.push_back("--" + std::string(spec->name));
  }
  std::string try_ = did_you_mean(name, names);
  if (try_.empty()) try_ = fmt::format("mpsearch {} --help", verb.name);
  throw Error(ErrorKind::Usage, {.what = fmt::format("unknown option {}", name),
                                 .at = {},
                                 .why = fmt::format("it is no option of {}", verb.name),
                                 .try_ = std::move(try_)});
}

void read_flags(const CommandSet& set, std::vector<std::string> words, Invocation& out) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::map<const OptionSpec*, std::vector<std::string>> given;
  for (const OptionSpec* spec : out.options.specs()) {
    std::vector<std::string>& values = given[spec];
    if (spec->type == OptionType::Flag) {
      app.add_flag_callback(flag_names(*spec), [&values] { values.assign(1, "true"); });
    } else {
      app.add_option(flag_names(*spec), values)->allow_extra_args(false)->take_all();
    }
  }
  std::reverse(words.begin(), words.end());
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::Usage, {.what = error.what(),
                                   .at = {},
                                   .why = {},
                                   .try_ = fmt::format("mpsearch {} --help", out.verb->name)});
  }
  bool only_free = false;
  for (const std::string& word : app.remaining()) {
    if (word == "--" && !only_free) {
      only_free = true;
      continue;
    }
    if (!only_free && word.size() > 1 && word[0] == '-') refuse_flag(set, *out.verb, word);
    out.arguments.push_back(word);
  }
  for (auto& [spec, values] : given) {
    if (!values.empty()) out.options.set(*spec, values, "--" + std::string(spec->name));
  }
}

constexpr std::string_view kPrefix = "MPSEARCH_";

/// "MPSEARCH_MAX_TIME_RATIO"
std::string variable_of(const OptionSpec& spec) {
  std::string name(kPrefix);
  for (const char c : spec.name) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

void read_environment(const Environment& environment, Options& options) {
  for (const OptionSpec* spec : options.specs()) {
    if (options.given(spec->name)) continue;
    const std::string name = variable_of(*spec);
    const char* value = environment(name);
    if (value == nullptr || *value == '\0') continue;
    std::string text = value;
    if (spec->type == OptionType::Flag && (text == "1" || text == "0")) {
      text = text == "1" ? "true" : "false";
    }
    options.set(*spec, {text}, name);
  }
}

void check_arguments(const Invocation& invocation) {
  const Verb& verb = *invocation.verb;
  std::size_t least = 0;
  std::size_t most = 0;
  for (const Positional& positional : verb.arguments) {
    if (invocation.arguments.size() < least + positional.least) {
      throw Error(ErrorKind::Usage,
                  {.what = fmt::format("{} needs {}", verb.name, positional.name),
                   .at = {},
                   .why = std::string(positional.help),
                   .try_ = fmt::format("mpsearch {}",
                                       verb.examples.empty() ? verb.name : verb.examples[0])});
    }
    least += positional.least;
    most += positional.most;
  }
  if (invocation.arguments.size() > most) {
    throw Error(ErrorKind::Usage,
                {.what = fmt::format("unexpected argument '{}'", invocation.arguments[most]),
                 .at = {},
                 .why = fmt::format("{} takes {} argument{}", verb.name,
                                    most == 0 ? "no" : std::to_string(most), most == 1 ? "" : "s"),
                 .try_ = fmt::format("mpsearch {} -h", verb.name)});
  }
}

}  // namespace

std::vector<std::string> unknown_variables(const CommandSet& set, const char* const* environment) {
  std::vector<std::string> known;  // without the prefix, which would make all of them near
  for (const OptionSpec& spec : set.options) {
    known.push_back(variable_of(spec).substr(kPrefix.size()));
  }
  std::vector<std::string> warnings;
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    const std::string_view entry(*environment);
    if (!entry.starts_with(kPrefix)) continue;
    const std::string name(entry.substr(kPrefix.size(), entry.find('=') - kPrefix.size()));
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::vector<std::string> near = nearest_names(name, known, 1);
    warnings.push_back(
        fmt::format("{}{} is the variable of no option{}", kPrefix, name,
                    near.empty() ? "" : fmt::format("; there is {}{}", kPrefix, near[0])));
  }
  return warnings;
}

Invocation parse_command_line(const CommandSet& set, const std::vector<std::string>& words,
                              const Environment& environment) {
  Invocation out;
  out.words = words;
  std::vector<std::string> rest = words;
  out.help = asked_help(words);
  out.verb = take_verb(set, rest, out.help != Help::None);
  if (out.help != Help::None) return out;
  if (out.verb == nullptr) {
    for (const std::string& word : rest) {
      if (option_named(set, word) == nullptr) {
        throw Error(ErrorKind::Usage, {.what = fmt::format("unknown option {}", word),
                                       .at = {},
                                       .why = "and no command is given",
                                       .try_ = "mpsearch --help"});
      }
    }
    out.help = Help::Short;
    return out;
  }
  out.options = Options(set.options_of(out.verb->name));
  read_flags(set, std::move(rest), out);
  read_environment(environment, out.options);
  const std::string config = out.options.text("config");
  if (!config.empty()) {
    std::map<const OptionSpec*, std::vector<std::string>> entries;
    for (ConfigEntry& entry : read_config(set, out.verb->name, config)) {
      entries[entry.spec] = std::move(entry.values);
    }
    for (auto& [spec, values] : entries) {
      if (!out.options.given(spec->name)) {
        out.options.set(*spec, values, fmt::format("{}: {}", config, spec->name));
      }
    }
  }
  check_arguments(out);
  return out;
}

}  // namespace mpsearch
