// A word as a shell reads it back: for commands that a user is to paste.
#pragma once

#include <string>

namespace mpsearch {

/// The word itself where no character of it is special, else in single quotes.
std::string shell_word(const std::string& word);

}  // namespace mpsearch
