// Problem <-> its JSON file format, version 1 (docs/schemas/problem.schema.json).
// Used by `mpsearch solve` and `--dump-problem`.
#pragma once

#include <string>
#include <string_view>

#include "search/solver/problem.h"

namespace mpsearch {

/// Parses and validates a problem. Throws BadContent with the JSON path of the first fault;
/// `source` (a file's name) is what the error says the text came from.
Problem read_problem(std::string_view text, const std::string& source);

/// The same problem as one line of JSON: reading it back gives an equal problem.
std::string write_problem(const Problem& problem);

}  // namespace mpsearch
