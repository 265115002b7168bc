#include "search/cli/error_text.h"

#include <string_view>

namespace mpsearch {
namespace {

void append(std::string& out, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  out += label;
  for (const char c : text) {
    out += c;
    if (c == '\n') out.append(label.size(), ' ');
  }
  out += '\n';
}

}  // namespace

std::string error_text(const ErrorText& text, bool colour) {
  std::string out;
  if (colour) {
    out = "\x1b[31;1merror:\x1b[0m " + text.what + '\n';
  } else {
    append(out, "error: ", text.what);
  }
  append(out, "  at: ", text.at);
  append(out, "  why: ", text.why);
  append(out, "  try: ", text.try_);
  return out;
}

}  // namespace mpsearch
