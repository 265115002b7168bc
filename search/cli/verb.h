// Verb: one command of mpsearch. Each lives in a file of its own (verb_NAME.cpp); verbs.cpp is the
// one list. Used by parsing, help, completions and main.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "search/cli/console.h"
#include "search/cli/options.h"

namespace mpsearch {

/// A free argument, e.g. {"MODEL.onnx", "the network"}.
struct Positional {
  std::string_view name;
  std::string_view help;
  std::size_t least = 1;
  std::size_t most = 1;
  std::vector<std::string_view> words = {};  // where only these are allowed
};

struct Invocation;

struct Verb {
  std::string_view name;
  std::string_view summary;
  std::vector<Positional> arguments = {};
  std::vector<std::string_view> examples = {};        // without the leading "mpsearch "
  int (*run)(const Invocation&, Console&) = nullptr;  // returns the exit status
};

/// The verbs and options that exist; tests bring their own.
struct CommandSet {
  std::span<const Verb> verbs;
  std::span<const OptionSpec> options;

  const Verb* find(std::string_view verb) const;
  std::vector<const OptionSpec*> options_of(std::string_view verb) const;
};

enum class Help { None, Short, Full, Version };

/// What the command line says.
struct Invocation {
  const Verb* verb = nullptr;  // null: help of the whole program
  std::vector<std::string> arguments;
  Options options{{}};
  Help help = Help::None;
  std::vector<std::string> words;  // as given, to repeat the command
};

/// All verbs, in the order of help.
std::span<const Verb> all_verbs();

/// all_verbs() with option_table().
CommandSet commands();

}  // namespace mpsearch
