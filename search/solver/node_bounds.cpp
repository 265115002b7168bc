// One node of branch and bound: its bound, and what that strikes out.
#include <algorithm>
#include <cmath>

#include "search/solver/node_solver.h"

namespace mpsearch::solver {
namespace {

constexpr int kRootSteps = 300;
constexpr int kNodeSteps = 10;

constexpr std::size_t kBoundedRows = 6;

/// Labels that the first node may take for each node that the whole search may have, and at most.
constexpr std::size_t kRootLabelsPerNode = 1'000;
constexpr std::size_t kMostRootLabels = 100'000;
constexpr std::size_t kMostHoped = 500'000;

/// Labels that go on after each step of a sweep, in the first node, there where the gap stays wide,
/// and in other nodes.
constexpr std::size_t kSweptAtRoot = 300;
constexpr std::size_t kSweptWide = 1000;
constexpr std::size_t kSwept = 30;

/// By how much limits are lowered to find choices within them.
constexpr double kLowered[] = {0.001, 0.01, 0.05};

/// Gaps: one that is worth sweeps of the first node only where labels do not finish it, one that is
/// worth a wider one, one that is worth more effort for first choices, and one that is worth any.
constexpr double kNear = 1e-3;
constexpr double kWide = 0.02;
constexpr double kPoor = 0.05;
constexpr double kFar = 0.1;

/// Beams of fewer labels are not worth it.
constexpr std::size_t kNarrowest = 50;

/// Labels that may be made to finish another node, of each direction, and the pairs joined.
constexpr LabelEffort kFinishNode = {.made = 1'000, .hoped = 30'000, .joined = 100'000};

/// The same for the first node where a good choice is known.
constexpr LabelEffort kFinishKnown = {.made = 3'000, .hoped = 30'000, .joined = 300'000};

}  // namespace

/// Bounds and shrinks the node, leaving what remains in view_; false when it holds nothing better.
bool NodeSolver::process(SearchNode& node) {
  const bool is_root = nodes_ == 1;
  if (!bound_rows(node) || !tighten(node, is_root ? kRootSteps : kNodeSteps)) return false;
  if (is_root) return settle_root(node);
  if (worth_shrinking() && !shrink_to_view(node)) return false;
  if (nodes_ >= next_sweep_ && !sweep(node, kSwept)) return false;
  if (incumbent_.empty() || nodes_ % 16 == 0) {
    search_beams(node, {.kept = 24});
    search_beams(node, {.kept = 200, .joined = 10000});
    search_near_incumbent(node);
  }
  node.allowed = view_.allowed;
  if (node.bound >= stop()) {
    close(node, node.bound);
    return false;
  }
  return finish_by_labels(node, effort_of_node());
}

/// The first node is worth more effort: first choices, then labels, ever more of them.
bool NodeSolver::settle_root(SearchNode& node) {
  const double before = stop();
  const bool known = !task_.peak && !incumbent_.empty();
  if (known && (!shrink_to_view(node) || !finish_by_labels(node, kFinishKnown))) return false;
  if (!find_choices(node)) return false;
  if (stop() < before && !tighten(node, kNodeSteps)) return false;
  if (!shrink_to_view(node)) return false;
  if (gap_to(node.bound) > kNear && (!sweep(node, kSweptAtRoot) || !tighten(node, kNodeSteps) ||
                                     !shrink_to_view(node) || !sweep(node, kSweptAtRoot)))
    return false;
  std::size_t most = kMostRootLabels;
  if (options_.node_limit > 0)
    most = std::min(most, kRootLabelsPerNode * static_cast<std::size_t>(options_.node_limit));
  for (std::size_t made = 1'500; made <= most && !patience_.over(); made *= 4) {
    const std::size_t hoped = std::min(100 * made, kMostHoped);
    if (!finish_by_labels(node, {.made = made, .hoped = hoped, .joined = 200 * made})) return false;
    const std::size_t kept = made / part_->graph.steps.size();
    if (task_.peak || kept < kNarrowest) continue;
    const double last = stop();
    search_beams(node, {.kept = kept, .joined = 20 * made});
    if (stop() < last &&
        (!tighten(node, kNodeSteps) || !shrink_to_view(node) || !sweep(node, kSweptAtRoot)))
      return false;
  }
  if (gap_to(node.bound) <= kNear && !ways_ && !sweep(node, kSweptAtRoot)) return false;
  if (gap_to(node.bound) > kWide &&
      (!sweep(node, kSweptWide) || !tighten(node, kNodeSteps) || !shrink_to_view(node)))
    return false;
  if (gap_to(node.bound) > kFar) {
    improve_in_windows(node);
    if (!tighten(node, kNodeSteps)) return false;
  }
  if (!shrink_to_view(node)) return false;
  node.allowed = view_.allowed;
  return true;
}

/// Good choices to start from; false when nothing better is left.
bool NodeSolver::find_choices(SearchNode& node) {
  if (task_.peak) {
    search_beams(node, {.kept = 100});
    search_beams(node, {.kept = 1000});
  } else {
    if (!search_near_bound(node)) return false;
    for (const double part : kLowered)
      if (gap_to(node.bound) > kPoor && !patience_.over()) search_within(node, part);
  }
  if (incumbent_.empty()) search_beams(node, {.kept = 100});
  search_near_incumbent(node);
  return true;
}

/// Most nodes get little, every second one twice as much, every fourth one four times, ...: which
/// effort finishes a node is not known before.
LabelEffort NodeSolver::effort_of_node() const {
  LabelEffort effort = kFinishNode;
  const std::int64_t times = std::min<std::int64_t>(nodes_ & -nodes_, 64);
  effort.made *= static_cast<std::size_t>(times);
  effort.hoped = std::max(effort.hoped, effort.made);
  effort.joined *= static_cast<std::size_t>(times);
  return effort;
}

/// The rows of the greatest multipliers; looking at all of them costs more than it brings.
std::vector<int> NodeSolver::heaviest_rows(const DualState& state) {
  std::vector<std::size_t> order(state.rows.size());
  for (std::size_t r = 0; r < order.size(); ++r) order[r] = r;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return state.multiplier[a] > state.multiplier[b];
  });
  order.resize(std::min(order.size(), kBoundedRows));
  std::vector<int> rows;
  for (const std::size_t r : order) rows.push_back(state.rows[r]);
  return rows;
}

/// The cheapest ways to the end for the rows that matter, each; strikes out what breaks one.
bool NodeSolver::bound_rows(const SearchNode& node) {
  std::vector<int> rows = heaviest_rows(node.state);
  for (std::size_t r = 0; r < part_->task.others.size(); ++r) {
    const int row = part_->task.events + static_cast<int>(r);
    if (std::count(rows.begin(), rows.end(), row) == 0) rows.push_back(row);
  }
  row_bounds_.clear();
  for (const int row : rows) {
    Functional alone;
    part_->task.add_row(row, 1, alone);
    row_bounds_.push_back({row, Pricing(part_->graph, part_->offsets)});
    Pricing& pricing = row_bounds_.back().pricing;
    pricing.price(alone, view_);
    const double most = part_->task.limit(row) + 1e-12 * std::fabs(part_->task.limit(row));
    if (!(pricing.least() <= most)) return false;
    pricing.strike(view_, most);
  }
  return true;
}

/// Alternates between better multipliers and striking out by them.
bool NodeSolver::tighten(SearchNode& node, int steps) {
  ways_.reset();
  for (int round = 0; round < 4; ++round) {
    const DualResult result =
        part_->dual.improve(node.state, view_, round == 0 ? steps : kNodeSteps / 3,
                            [this](const Path& path) { return meet(path); });
    if (result.enough) {
      node.allowed = view_.allowed;
      close(node, std::isinf(result.bound)
                      ? result.bound
                      : result.bound - part_->dual.rounding(node.state, result.bound));
      return false;
    }
    double bound = part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
    bound -= part_->dual.rounding(node.state, bound);
    node.bound = std::max(node.bound, bound);
    if (node.bound >= stop()) {
      node.allowed = view_.allowed;
      close(node, node.bound);
      return false;
    }
    const auto left = std::count(view_.allowed.begin(), view_.allowed.end(), 1);
    const int struck = part_->dual.pricing().strike(
        view_, tie() + 2 * part_->dual.rounding(node.state, bound) +
                   part_->dual.constant(node.state.rows, node.state.multiplier));
    if (struck * 10 <= left) break;
  }
  const double bound = part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
  return !std::isinf(bound);
}

}  // namespace mpsearch::solver
