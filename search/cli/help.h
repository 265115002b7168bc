// The help texts, made from verbs and option table. Used by main.
#pragma once

#include <string>

#include "search/cli/verb.h"

namespace mpsearch {

/// Without a verb: all commands; with one: examples first, then its common options, or with `full`
/// all of them by group. `width` is that of the terminal in columns.
std::string help_text(const CommandSet& set, const Verb* verb, bool full, int width);

/// "mpsearch 0.1.0" and a newline.
std::string version_text();

}  // namespace mpsearch
