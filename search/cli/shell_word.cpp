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

std::string command_without(const Invocation& invocation, std::string_view option) {
  const std::string flag = "--" + std::string(option);
  std::string command = "mpsearch";
  for (std::size_t i = 0; i < invocation.words.size(); ++i) {
    const std::string& word = invocation.words[i];
    if (!option.empty() && word == flag) {
      ++i;
    } else if (option.empty() || !word.starts_with(flag + "=")) {
      command += " " + shell_word(word);
    }
  }
  return command;
}

}  // namespace mpsearch
