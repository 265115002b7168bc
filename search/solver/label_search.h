// Search by partial choices ("labels") that are carried through the graph layer by layer, from one
// end or from both. With room for all labels an exact solver of what is left in a node; with less,
// a beam that finds good choices.
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

/// What the mixed paths of the dual use on average of each of its rows before each step, without
/// the base and what every choice uses. Labels that keep near it are the ones that a beam keeps.
struct Guide {
  std::vector<std::vector<double>> before;  // [row][step], and after the last
};

/// Empty where none of the paths is left in the graph.
Guide mean_usage(const FrontierGraph& graph, const Task& task, const DualState& state);

/// Lower bounds of the prices of the ways from the start to each node, and from there to the end.
struct Ways {
  std::vector<double> from_start, to_end;  // [node], as Offsets lays them out; empty: not known
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
  const Guide* guide = nullptr;          // for beams
  const Ways* ways = nullptr;            // better bounds than those of `priced`; not for the peak
};

struct LabelResult {
  bool complete = false;  // nothing was dropped but what cannot be better
  /// When complete: no choice but the first found costs less than this.
  double least_other = std::numeric_limits<double>::infinity();
  std::vector<Path> found;  // by goal, the best first; a few at most
};

/// Of the labels of one layer the best `kept` go on. The search gives up after `made` labels (of
/// each direction), later if it is on the way to finish within `hoped`, and after `joined` pairs.
struct LabelEffort {
  std::size_t kept = std::numeric_limits<std::size_t>::max();
  std::size_t made = std::numeric_limits<std::size_t>::max();
  std::size_t hoped = 0;
  std::size_t joined = 0;
};

/// The best choices within all limits whose bound is below `stop`: labels run from the first layer
/// to the last one.
LabelResult label_search(const LabelTask& task, double stop, const LabelEffort& effort);

/// Where labels from both ends meet: before a step.
struct Cut {
  std::size_t step = 0;
  UsageClasses classes;  // of the labels from the last layer
};

/// The same by labels from both ends that are joined at the cut: far fewer of each are needed. All
/// prices must be known from the start as well. Not for the least peak.
LabelResult label_join(const LabelTask& task, const Cut& cut, double stop,
                       const LabelEffort& effort);

}  // namespace mpsearch::solver
