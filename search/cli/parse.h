// From argv, environment and configuration file to an Invocation. Used by main.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "search/cli/verb.h"

namespace mpsearch {

/// A variable of the environment, or null.
using Environment = std::function<const char*(const std::string& name)>;

/// Reads the words after the program's name. The verb is the first free word; one that is no verb
/// but exists as a file, or contains '/' or '.', is the first argument of `plan`. Flags come before
/// the environment (MPSEARCH_MAX_TIME_RATIO for --max-time-ratio), that before --config. Help and
/// version win over errors. Throws Usage with the nearest names, Missing and BadContent for the
/// file.
Invocation parse_command_line(const CommandSet& set, const std::vector<std::string>& words,
                              const Environment& environment);

/// A warning for each variable MPSEARCH_... of "NAME=VALUE" strings (ended by null) that belongs to
/// no option, with the nearest names.
std::vector<std::string> unknown_variables(const CommandSet& set, const char* const* environment);

}  // namespace mpsearch
