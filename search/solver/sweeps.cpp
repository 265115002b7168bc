#include "search/solver/sweeps.h"

#include <algorithm>
#include <limits>

#include "search/solver/labels.h"

namespace mpsearch::solver {
namespace {

/// [event]: the number of steps after which labels first put it in one class with others of which
/// they hold different bytes.
std::vector<std::size_t> first_shared(const UsageClasses& classes) {
  std::vector<std::size_t> first(classes.base.size(), classes.boundaries.size());
  for (std::size_t i = classes.boundaries.size(); i-- > 0;) {
    const std::vector<ClassRun>& runs = classes.boundaries[i].runs;
    for (std::size_t r = 0; r < runs.size(); ++r) {
      if (!runs[r].based) continue;
      const std::size_t end = r + 1 < runs.size() ? runs[r + 1].first : first.size();
      for (std::size_t e = runs[r].first; e < end; ++e) first[e] = i;
    }
  }
  return first;
}

}  // namespace

/// Where labels from both ends meet that may both have put an event in one class with others, the
/// sum of what they count may be more than any event's usage.
Sweeps::Sweeps(const FrontierGraph& graph)
    : graph_(graph), forward_(graph, true, {}), backward_(graph, false, {}) {
  const std::vector<std::size_t> before = first_shared(forward_);
  const std::vector<std::size_t> behind = first_shared(backward_);
  for (std::size_t e = 0; e < before.size(); ++e)
    overlaps_.push_back(static_cast<char>(before[e] + behind[e] <= graph.steps.size()));
}

/// Priced events that overlap count by themselves.
void Sweeps::keep_apart(const LabelTask& task) {
  const std::size_t known = apart_.size();
  for (std::size_t r = 0; r < task.rows.size(); ++r) {
    const int row = task.rows[r];
    if (row < task.task.events && task.multiplier[r] > 0 && overlaps_[row] != 0 &&
        std::count(apart_.begin(), apart_.end(), row) == 0)
      apart_.push_back(row);
  }
  if (apart_.size() == known) return;
  forward_ = UsageClasses(graph_, true, apart_);
  backward_ = UsageClasses(graph_, false, apart_);
}

Ways Sweeps::run(LabelTask task, double stop, std::size_t kept) {
  keep_apart(task);
  forward_.look_ahead(graph_, task.view.allowed);
  backward_.look_ahead(graph_, task.view.allowed);
  Ways ways;
  task.ways = &ways;
  ways.to_end = LabelPass(task, backward_, false, stop).sweep(kept);
  ways.from_start = LabelPass(task, forward_, true, stop).sweep(kept);
  return ways;
}

double least_way(const FrontierGraph& graph, const Offsets& offsets, const Ways& ways) {
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k <= graph.steps.size(); ++k) {
    const int end = k < graph.steps.size() ? offsets.node[k + 1] : offsets.node[k] + 1;
    double least = std::numeric_limits<double>::infinity();
    for (int n = offsets.node[k]; n < end; ++n)
      least = std::min(least, ways.from_start[n] + ways.to_end[n]);
    best = std::max(best, least);
  }
  return best;
}

}  // namespace mpsearch::solver
