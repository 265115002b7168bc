// Which usages are possible at all: at each event those that differ by multiples of a grain. Limits
// that lie between two of them may be rounded down, which betters bounds. Used by branch and bound.
#pragma once

#include <cstdint>
#include <vector>

#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {

/// Every path's usage at event e is `some[e]` plus a multiple of `grain[e]`; grain 0: it is
/// some[e].
struct Grains {
  std::vector<std::int64_t> some;
  std::vector<std::int64_t> grain;
};

/// Of all paths that take `allowed` options (of all layers).
Grains grains_of(const FrontierGraph& graph, const std::vector<char>& allowed);

}  // namespace mpsearch::solver
