// Partial choices ("labels") carried through the graph layer by layer, pruned by Lagrangian bounds,
// by completion bounds of single rows and by dominance. With room for all labels an exact solver of
// what is left in a node; with less, a beam that finds good choices.
#pragma once

#include <limits>
#include <vector>

#include "search/solver/dual.h"
#include "search/solver/usage_classes.h"

namespace mpsearch::solver {

/// The cheapest ways to the end for one row alone.
struct RowBounds {
  int row = 0;
  Pricing pricing;
};

/// What the labels run through. `priced` holds the prices at the multipliers of `rows`.
struct LabelTask {
  const FrontierGraph& graph;
  const Offsets& offsets;
  const UsageClasses& classes;
  const Task& task;
  const View& view;
  const Pricing& goal;  // the prices of the goal alone
  const Pricing& priced;
  const std::vector<int>& rows;
  const std::vector<double>& multiplier;
  double constant = 0;                   // sum of multiplier x limit
  const std::vector<RowBounds>& bounds;  // all rows that are not events must be among them
};

struct LabelResult {
  bool complete = false;  // nothing was dropped but what cannot be better
  double least_pruned =
      std::numeric_limits<double>::infinity();  // bound, of those at `stop` or more
  std::vector<Path> found;                      // by goal, the best first; a few at most
};

/// The best choices within all limits whose bound is below `stop`. Keeps `most` labels a layer, or
/// gives up at more when `exact`.
LabelResult label_search(const LabelTask& task, double stop, std::size_t most, bool exact);

}  // namespace mpsearch::solver
