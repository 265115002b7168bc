// Commands that a user is to paste. Used by error texts and by what a command says to do next.
#pragma once

#include <string>
#include <string_view>

#include "search/cli/verb.h"

namespace mpsearch {

/// The word itself where no character of it is special to a shell, else in single quotes.
std::string shell_word(const std::string& word);

/// The command as it was given, but for one option and its values; none where `option` is empty.
std::string command_without(const Invocation& invocation, std::string_view option);

}  // namespace mpsearch
