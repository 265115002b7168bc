// Shell completions, generated from verbs and option table. Used by `mpsearch completions`.
#pragma once

#include <string>
#include <string_view>

#include "search/cli/verb.h"

namespace mpsearch {

/// The script for "bash", "zsh" or "fish". Throws Usage for another shell.
std::string completion_script(const CommandSet& set, std::string_view shell);

}  // namespace mpsearch
