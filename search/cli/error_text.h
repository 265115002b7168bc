// The text of an error as the user reads it. Used by main.
#pragma once

#include <string>

#include "kernels/error.h"

namespace mpsearch {

/// "error: what" and, where they are known, "  at:", "  why:" and "  try:" lines, each ended by a
/// newline. Further lines of a part are indented below its first; with `colour` the label is red.
std::string error_text(const ErrorText& text, bool colour);

}  // namespace mpsearch
