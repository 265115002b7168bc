// The --config file: TOML, keys named as the flags, a table per verb for what concerns one verb
// only. Used by parse.cpp.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "search/cli/verb.h"

namespace mpsearch {

struct ConfigEntry {
  const OptionSpec* spec;
  std::vector<std::string> values;
};

/// The entries that concern `verb`, the verb's own table after the general ones. Throws Missing
/// where there is no file, BadContent with line and column for what is no TOML, no option, or of a
/// wrong type.
std::vector<ConfigEntry> read_config(const CommandSet& set, std::string_view verb,
                                     const std::string& path);

/// JSON Schema (draft 2020-12) of such a file, for editors.
std::string config_schema(const CommandSet& set);

}  // namespace mpsearch
