// Partial choices ("labels") carried through the graph layer by layer, pruned by Lagrangian and by
// per-row completion bounds and by dominance. With room for all labels an exact solver of what is
// left in a node; with less, a beam that finds good choices.
#pragma once

#include <vector>

#include "search/solver/dual.h"

namespace mpsearch::solver {

/// The cheapest ways to the end for one row alone.
struct RowBounds {
  int row = 0;
  Pricing pricing;
};

struct LabelResult {
  bool complete = false;    // nothing was dropped but what cannot be better
  std::vector<Path> found;  // by goal, the best first; a few at most
};

/// The best choices under the rows of `bounds` whose bound is below `stop` (other rows are not
/// looked at: check the paths). `priced` holds the prices at multipliers whose sum of multiplier x
/// limit is `constant`; keeps `most` labels a layer, or gives up at more when `exact`.
LabelResult label_search(const FrontierGraph& graph, const Offsets& offsets, const Task& task,
                         const View& view, const Pricing& priced, double constant,
                         const std::vector<RowBounds>& bounds, double stop, std::size_t most,
                         bool exact);

}  // namespace mpsearch::solver
