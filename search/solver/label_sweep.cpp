// Bounds of the ways through the graph by labels of which few are kept after each step. Events
// between which no layer to come makes a difference count by the greatest usage among them, where
// prices alone take the mean: the sum over the way is less of a compromise for it.
#include <algorithm>
#include <limits>
#include <utility>

#include "search/solver/labels.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

std::vector<double> LabelPass::sweep(std::size_t kept) {
  const std::size_t steps = in_.graph.steps.size();
  std::vector<double> ways(in_.offsets.node.back() + 1, kInfinity);
  (forward_ ? ways.front() : ways.back()) = forward_ ? in_.priced.start() : 0;
  left_.assign(1, kInfinity);
  begin();
  look_ahead();
  for (std::size_t i = 0; i < steps; ++i) {
    go_on_by_prices(step_at(done_));
    take_step();
    keep_undominated(kept);
    for (std::size_t n = 0; n < left_.size(); ++n) ways[place_of(static_cast<int>(n))] = left_[n];
    for (std::size_t l = 0; l < now_.size(); ++l) {
      double& way = ways[place_of(now_.at[l].node)];
      way = std::min(way, now_.at[l].way + in_.constant);
    }
  }
  return ways;
}

/// What is dropped says that nothing dearer is worth a label any more: the bound of all is no
/// better for it.
void LabelPass::leave(Ranked first, Ranked end) {
  if (left_.empty() || first == end) return;
  cap_ = std::min(cap_, std::min_element(first, end)->first);
  for (; first != end; ++first) {
    const Label& label = next_.at[first->second];
    left_[label.node] = std::min(left_[label.node], label.way + in_.constant);
  }
}

/// The ways of dropped labels over the step.
void LabelPass::go_on_by_prices(std::size_t k) {
  const Step& step = in_.graph.steps[k];
  const int at = static_cast<int>(k);
  const std::size_t after = k + 1 < in_.graph.steps.size() ? in_.graph.steps[k + 1].nodes : 1;
  std::vector<double> next(forward_ ? after : step.nodes, kInfinity);
  const int* to = in_.view.to.data() + in_.offsets.arc[k];
  for (int n = 0; n < step.nodes; ++n, to += step.signatures)
    for (int s = 0; s < step.signatures; ++s) {
      if (to[s] < 0) continue;
      const double way = left_[forward_ ? n : to[s]] + in_.priced.cell(at, step.row_of[n], s) +
                         in_.priced.cheapest(at, s);
      double& least = next[forward_ ? to[s] : n];
      least = std::min(least, way);
    }
  left_ = std::move(next);
}

}  // namespace mpsearch::solver
