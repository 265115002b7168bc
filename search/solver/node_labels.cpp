// What branch and bound does with labels in a node: finish it, or find better choices.
#include <algorithm>
#include <cmath>

#include "search/solver/node_solver.h"

namespace mpsearch::solver {
namespace {

/// What looking at choices near the bound may take, exactly and by beams.
constexpr LabelEffort kNearBound = {.made = 10'000, .joined = 300'000};
constexpr LabelEffort kBeamNearBound = {.kept = 300, .joined = 30'000};

/// Part of a gap by which sweeps should better the bound; where they do not, the next one waits for
/// twice as many nodes, and as often as this at most.
constexpr double kWorthSweeping = 0.05;
constexpr int kMostVain = 5;

/// With more limits that have a price, forgetting the others spares few labels.
constexpr long kMostPriced = 3;

constexpr std::size_t kLabelsNear = 400;

/// Labels kept in all by a beam within lowered limits.
constexpr std::size_t kWithinLabels = 30'000;

}  // namespace

/// Brings up to date what labels through `view` look at.
void NodeSolver::prepare_labels(const View& view) {
  part_->place_labels(view);
  part_->classes->look_ahead(part_->graph, view.allowed);
  if (!part_->cut) return;
  part_->cut->classes.look_ahead(part_->graph, view.allowed,
                                 {part_->classes->steps.data(), part_->cut->step});
  part_->dual.pricing().price_from_start(view);
  for (RowBounds& row : row_bounds_) row.pricing.price_from_start(view);
}

/// Better bounds of the ways through the node at its multipliers, and what they strike out; false
/// when nothing better is left in it.
bool NodeSolver::sweep(SearchNode& node, std::size_t kept) {
  const auto priced = [](double m) { return m > 0; };
  ways_.reset();
  if (task_.peak ||
      std::none_of(node.state.multiplier.begin(), node.state.multiplier.end(), priced))
    return true;
  const double bound = part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
  if (std::isinf(bound)) return true;
  part_->place_labels(view_);
  part_->dual.pricing().price_from_start(view_);
  for (RowBounds& row : row_bounds_) row.pricing.price_from_start(view_);
  if (!part_->sweeps) part_->sweeps = std::make_unique<Sweeps>(part_->graph);
  const double constant = part_->dual.constant(node.state.rows, node.state.multiplier);
  const double rounding = 2 * part_->dual.rounding(node.state, bound);
  const double most = std::max(stop(), tie() + 1e-10 * std::fabs(tie())) + rounding;
  ways_ = part_->sweeps->run(
      {part_->graph, part_->offsets, *part_->classes, part_->task, view_, part_->goal,
       part_->dual.pricing(), node.state.rows, node.state.multiplier, constant, row_bounds_},
      most, kept);
  const double least = least_way(part_->graph, part_->offsets, *ways_) - constant - rounding;
  const bool in_vain = least - bound < kWorthSweeping * (stop() - bound);
  vain_sweeps_ = in_vain ? std::min(vain_sweeps_ + 1, kMostVain) : 0;
  next_sweep_ = nodes_ + (std::int64_t{1} << vain_sweeps_);
  node.bound = std::max(node.bound, std::min(least, most));
  if (node.bound >= stop()) {
    node.allowed = view_.allowed;
    close(node, node.bound);
    return false;
  }
  part_->dual.pricing().strike(view_, tie() + rounding + constant, ways_->from_start,
                               ways_->to_end);
  return true;
}

/// Closes the node after labels saw all that may be as good as the first they found.
void NodeSolver::close_by_labels(const SearchNode& node, const LabelResult& result) {
  close(node, result.least_other);
  if (!result.found.empty()) {
    SearchNode only{std::vector<char>(node.allowed.size(), 0), 0, {}};
    const std::vector<int>& choice = result.found.front().choice;
    for (std::size_t l = 0; l < choice.size(); ++l) only.allowed[first_option_[l] + choice[l]] = 1;
    close(only, part_->task.goal_of(result.found.front()));
  }
}

/// Solves the node by labels if few are enough; false when nothing better is left in it.
bool NodeSolver::finish_by_labels(SearchNode& node, const LabelEffort& effort) {
  const long left = std::count(view_.allowed.begin(), view_.allowed.end(), 1) -
                    static_cast<long>(problem_.layers.size());
  if (nodes_ > 1 && left > node.labels_from) return true;
  prepare_labels(view_);
  // Choices as good as the incumbent are worth knowing: without others no tie is to be broken.
  const double beyond = std::max(stop(), tie() + 1e-10 * std::fabs(tie()));
  if (const std::optional<bool> settled = refute_relaxed(node, effort, beyond)) {
    if (*settled) node.labels_from = left * 19 / 20;
    return *settled;
  }
  const LabelResult result = search_labels(node, view_, effort, beyond, ways_ ? &*ways_ : nullptr);
  for (const Path& path : result.found) meet(path);
  if (!result.complete) {
    node.labels_from = left * 19 / 20;
    return true;
  }
  close_by_labels(node, result);
  return false;
}

/// Labels under the limits that have a price alone: false when they show that nothing better is
/// left, true when even they are too many, empty when only the other limits can tell.
std::optional<bool> NodeSolver::refute_relaxed(SearchNode& node, const LabelEffort& effort,
                                               double beyond) {
  const auto priced = std::count_if(node.state.multiplier.begin(), node.state.multiplier.end(),
                                    [](double m) { return m > 0; });
  if (!part_->cut || priced > kMostPriced) return std::nullopt;
  if (!part_->relaxation || !part_->relaxation->holds(node.state)) {
    std::vector<int> rows;
    for (std::size_t r = 0; r < node.state.rows.size(); ++r)
      if (node.state.multiplier[r] > 0) rows.push_back(node.state.rows[r]);
    std::sort(rows.begin(), rows.end());
    part_->relaxation =
        std::make_unique<Relaxation>(part_->graph, part_->task, rows, part_->cut->step);
  }
  LabelResult result = part_->relaxation->search(
      part_->offsets, view_, part_->goal, part_->dual.pricing(), node.state,
      part_->dual.constant(node.state.rows, node.state.multiplier), row_bounds_, beyond, effort);
  if (!result.complete) return true;
  if (result.found.empty()) {
    close(node, result.least_other);
    return false;
  }
  const Path best = path_of(part_->graph, result.found.front().choice);
  meet(best);
  const double least = part_->task.goal_of(best) - 1e-12 * std::fabs(part_->task.goal_of(best));
  if (feasible(best)) {
    result.found.front() = best;
    close_by_labels(node, result);
    return false;
  }
  node.bound = std::max(node.bound, least);
  if (node.bound < stop()) return std::nullopt;
  close(node, node.bound);
  return false;
}

LabelResult NodeSolver::search_labels(const SearchNode& node, const View& view,
                                      const LabelEffort& effort, double stop,
                                      const Ways* ways) const {
  const bool beam = effort.kept != LabelEffort{}.kept && !task_.peak;
  const Guide guide = beam ? mean_usage(part_->graph, part_->task, node.state) : Guide{};
  const LabelTask task{part_->graph,
                       part_->offsets,
                       *part_->classes,
                       part_->task,
                       view,
                       part_->goal,
                       part_->dual.pricing(),
                       node.state.rows,
                       node.state.multiplier,
                       part_->dual.constant(node.state.rows, node.state.multiplier),
                       row_bounds_,
                       &guide,
                       ways};
  return part_->cut && effort.joined > 0 ? label_join(task, *part_->cut, stop, effort)
                                         : label_search(task, stop, effort);
}

void NodeSolver::search_beams(const SearchNode& node, const LabelEffort& effort) {
  prepare_labels(view_);
  const LabelResult result = search_labels(node, view_, effort, stop(), ways_ ? &*ways_ : nullptr);
  for (const Path& path : result.found) meet(path);
}

/// Looks for a choice that costs little more than the bound, more and more of it: few options are
/// worth looking at then. Where all of them were seen in vain the bound is better for it;
/// where one was found, it is the best: false then.
bool NodeSolver::search_near_bound(SearchNode& node) {
  const View whole = view_;
  const double bound = node.bound;
  for (double more = 1e-6 * std::fabs(bound) + 1e-9 * spread_;
       bound + more < stop() && !patience_.over(); more *= 5) {
    const double target = bound + more;
    view_ = whole;
    part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
    const double rounding = part_->dual.rounding(node.state, target);
    part_->dual.pricing().strike(
        view_, target + rounding + part_->dual.constant(node.state.rows, node.state.multiplier));
    LabelResult result;
    result.complete = true;
    if (!std::isinf(part_->dual.evaluate(node.state.rows, node.state.multiplier, view_)) &&
        bound_rows(node)) {
      prepare_labels(view_);
      result = search_labels(node, view_, kNearBound, target);
    }
    const bool all_seen = result.complete;
    if (!all_seen) result = search_labels(node, view_, kBeamNearBound, target);
    for (const Path& path : result.found) meet(path);
    result.least_other = std::min(result.least_other, target);
    if (all_seen && !result.found.empty() && settle_near_bound(node, whole, result)) return false;
    if (!all_seen || !result.found.empty()) break;
    node.bound = std::max(node.bound, target - rounding);
  }
  view_ = whole;
  bound_rows(node);
  part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
  return true;
}

/// The first that labels found is the best of all within `whole` where they saw all below it;
/// false when it is not feasible after all.
bool NodeSolver::settle_near_bound(SearchNode& node, const View& whole, const LabelResult& result) {
  if (incumbent_.empty() || incumbent_goal_ > part_->task.goal_of(result.found.front()))
    return false;
  view_ = whole;
  const double bound = part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
  part_->dual.pricing().strike(view_,
                               tie() + part_->dual.rounding(node.state, bound) +
                                   part_->dual.constant(node.state.rows, node.state.multiplier));
  node.allowed = view_.allowed;
  close_by_labels(node, result);
  return true;
}

/// A beam guided by the multipliers of limits that are lower by a part: what they think best is
/// more likely to be within the true limits.
void NodeSolver::search_within(const SearchNode& node, double part) {
  const Task whole = part_->task;
  SearchNode tight{{}, 0, node.state};
  part_->task.bytes -= static_cast<std::int64_t>(part * static_cast<double>(part_->task.bytes));
  for (LimitRow& row : part_->task.others) row.limit -= part * std::fabs(row.limit);
  View view = view_;
  part_->dual.improve(tight.state, view, 15, [this](const Path& path) {
    meet(path);
    return dearest_ + spread_;
  });
  for (std::size_t r = 0; r < tight.state.rows.size(); ++r)
    tight.state.multiplier[r] *=
        whole.scale(tight.state.rows[r]) / part_->task.scale(tight.state.rows[r]);
  part_->task = whole;
  ways_.reset();
  part_->dual.evaluate(tight.state.rows, tight.state.multiplier, view_);
  const std::size_t kept =
      std::clamp<std::size_t>(kWithinLabels / part_->graph.steps.size(), 50, 300);
  search_beams(tight, {.kept = kept, .joined = 100 * kept});
  part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
}

/// A beam over the options that the incumbent or the mixed paths of the dual take.
void NodeSolver::search_near_incumbent(const SearchNode& node) {
  if (incumbent_.empty()) return;
  View near = view_;
  std::fill(near.allowed.begin(), near.allowed.end(), 0);
  for (std::size_t k = 0; k < part_->graph.steps.size(); ++k) {
    const int layer = part_->graph.steps[k].layer;
    near.allowed[part_->graph.steps[k].first_option + incumbent_[layer]] = 1;
    for (std::size_t p = 0; p < node.state.weight.size(); ++p)
      if (node.state.weight[p] > 0)
        near.allowed[part_->graph.steps[k].first_option + node.state.paths[p]->choice[layer]] = 1;
  }
  for (std::size_t o = 0; o < near.allowed.size(); ++o)
    near.allowed[o] = static_cast<char>(near.allowed[o] & view_.allowed[o]);
  if (!std::isinf(part_->dual.evaluate(node.state.rows, node.state.multiplier, near))) {
    part_->classes->look_ahead(part_->graph, near.allowed);
    const LabelResult result = search_labels(node, near, {.kept = kLabelsNear}, stop());
    for (const Path& path : result.found) meet(path);
  }
  part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
}

}  // namespace mpsearch::solver
