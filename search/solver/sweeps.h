// Better bounds of the ways through the graph than prices alone give: labels swept through it from
// both ends. Used by branch and bound.
#pragma once

#include <cstddef>
#include <vector>

#include "search/solver/label_search.h"
#include "search/solver/usage_classes.h"

namespace mpsearch::solver {

/// What sweeps through one graph need to know of it.
class Sweeps {
 public:
  explicit Sweeps(const FrontierGraph& graph);

  /// Bounds of the ways that may be part of a choice whose bound is below `stop`, for the prices of
  /// `task` (whose classes and ways do not count); at most `kept` labels go on after each step.
  Ways run(LabelTask task, double stop, std::size_t kept);

 private:
  void keep_apart(const LabelTask& task);

  const FrontierGraph& graph_;
  UsageClasses forward_, backward_;
  std::vector<char> overlaps_;  // [event]
  std::vector<int> apart_;      // events that overlap and had a price
};

/// The best bound that `ways` hold for a whole choice, but for the constant.
double least_way(const FrontierGraph& graph, const Offsets& offsets, const Ways& ways);

}  // namespace mpsearch::solver
