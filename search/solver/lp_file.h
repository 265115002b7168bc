// A Problem in the LP file format, for other solvers. Used by `--dump-lp`.
#pragma once

#include <optional>
#include <string>

#include "search/solver/problem.h"

namespace mpsearch {

/// The whole problem with a row for every event. Binary x{l}_{o}: layer l takes option o; the other
/// columns follow from them. Ties are not broken by the file.
std::string write_lp(const Problem& problem);

/// The same optimum as a flow through the frontier graph, which other solvers find far sooner (one
/// row for each event that may be a peak). Empty where that graph is too wide or has no path.
std::optional<std::string> write_flow_lp(const Problem& problem);

}  // namespace mpsearch
