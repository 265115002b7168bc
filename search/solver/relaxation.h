// The same graph under a few of its limits: labels that forget the others are far fewer, and what
// they refute is refuted. Used by branch and bound.
#pragma once

#include <optional>
#include <vector>

#include "search/solver/label_search.h"

namespace mpsearch::solver {

/// Rows are numbered anew: the events among `rows` in their order, then the others.
class Relaxation {
 public:
  /// `rows` in rising order; `cut`: where labels from both ends meet.
  Relaxation(const FrontierGraph& graph, const Task& task, const std::vector<int>& rows,
             std::size_t cut);

  /// Whether all rows of the state that have a price are among those kept.
  bool holds(const DualState& state) const;

  /// label_join() of the relaxed problem. Arguments as those of LabelTask for the whole one, with
  /// every path priced from the start as well. The choices found may exceed the limits left out.
  LabelResult search(const Offsets& offsets, const View& view, const Pricing& goal,
                     const Pricing& priced, const DualState& state, double constant,
                     const std::vector<RowBounds>& bounds, double stop, const LabelEffort& effort);

 private:
  static FrontierGraph keep_events(const FrontierGraph& graph, const std::vector<int>& events);

  std::vector<int> rows_;
  FrontierGraph graph_;
  Task task_;
  UsageClasses classes_;
  Cut cut_;
};

}  // namespace mpsearch::solver
