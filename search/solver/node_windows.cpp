// Betters the incumbent: a few layers at a time are decided anew, all others kept.
#include <algorithm>
#include <cmath>
#include <limits>

#include "search/solver/node_solver.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Labels kept in a window.
constexpr LabelEffort kWindowLabels = {.kept = 50};

/// A window holds this many choices, as a power of two.
constexpr double kWindowBits = 24;

/// Relative gain of a pass over all windows that makes another one worth while.
constexpr double kWorthwhile = 1e-3;

}  // namespace

/// Windows from one end to the other, half of each new, as long as it pays.
void NodeSolver::improve_in_windows(const SearchNode& node) {
  if (incumbent_.empty() || task_.peak) return;
  const View whole = view_;
  double before = kInfinity;
  while (incumbent_goal_ < before - kWorthwhile * std::fabs(incumbent_goal_) && !patience_.over()) {
    before = incumbent_goal_;
    std::size_t end = 0;
    for (std::size_t first = 0; end < part_->graph.steps.size() && !patience_.over();) {
      std::size_t middle = first;
      double bits = 0;
      for (end = first; end < part_->graph.steps.size() && bits < kWindowBits; ++end) {
        const char* const allowed = whole.allowed.data() + part_->graph.steps[end].first_option;
        const auto free = std::count(allowed, allowed + part_->graph.steps[end].own.size(), 1);
        bits += std::log2(static_cast<double>(std::max<long>(1, free)));
        if (bits < kWindowBits / 2) middle = end;
      }
      improve_in(node, whole, first, end);
      first = middle + 1;
    }
  }
  view_ = whole;
  bound_rows(node);
  part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
}

/// Of `whole`, decides the steps from `first` to before `end` anew.
void NodeSolver::improve_in(const SearchNode& node, const View& whole, std::size_t first,
                            std::size_t end) {
  view_ = whole;
  for (std::size_t k = 0; k < part_->graph.steps.size(); ++k) {
    if (k >= first && k < end) continue;
    char* const allowed = view_.allowed.data() + part_->graph.steps[k].first_option;
    const int taken = incumbent_[part_->graph.steps[k].layer];
    for (std::size_t o = 0; o < part_->graph.steps[k].own.size(); ++o)
      allowed[o] = static_cast<char>(allowed[o] & static_cast<char>(static_cast<int>(o) == taken));
  }
  if (!(part_->dual.evaluate(node.state.rows, node.state.multiplier, view_) < stop())) return;
  if (!bound_rows(node)) return;
  part_->place_labels(view_);
  part_->classes->look_ahead(part_->graph, view_.allowed);
  const LabelResult result = search_labels(node, view_, kWindowLabels, stop());
  for (const Path& path : result.found) meet(path);
}

}  // namespace mpsearch::solver
