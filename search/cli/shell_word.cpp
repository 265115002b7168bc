#include "search/cli/shell_word.h"

#include <cctype>

namespace mpsearch {

std::string shell_word(const std::string& word) {
  const std::string plain = "_-./=,:+@%";
  bool quote = word.empty();
  std::string quoted = "'";
  for (const char c : word) {
    quote =
        quote || (std::isalnum(static_cast<unsigned char>(c)) == 0 && plain.find(c) == plain.npos);
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quote ? quoted + "'" : word;
}

}  // namespace mpsearch
