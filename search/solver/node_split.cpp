// How branch and bound splits a node in two.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "search/solver/node_solver.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Splits that are tried, and the steps of the dual for each half of one.
constexpr std::size_t kTried = 8;
constexpr int kTrialSteps = 6;

/// Of the gap: what a half whose bound is no better counts for.
constexpr double kLeastGain = 1e-6;

}  // namespace

/// What each option of a step and the cheapest way on cost at the last prices, averaged over the
/// arcs that are left.
std::vector<double> NodeSolver::burden(int k) const {
  const Step& step = part_->graph.steps[k];
  const Pricing& pricing = part_->dual.pricing();
  std::vector<double> sum(step.signatures, 0);
  std::vector<double> count(step.signatures, 0);
  const int* to = view_.to.data() + part_->offsets.arc[k];
  for (int n = 0; n < step.nodes; ++n, to += step.signatures)
    for (int s = 0; s < step.signatures; ++s) {
      if (to[s] < 0) continue;
      sum[s] += pricing.cell(k, step.row_of[n], s) + pricing.to_end(k + 1)[to[s]];
      count[s] += 1;
    }
  std::vector<double> burdens(step.own.size(), 0);
  for (std::size_t o = 0; o < burdens.size(); ++o) {
    const int s = step.signature_of[o];
    if (s >= 0)
      burdens[o] = pricing.own(k, static_cast<int>(o)) + (count[s] > 0 ? sum[s] / count[s] : 0);
  }
  return burdens;
}

/// The limits at their multipliers.
Functional NodeSolver::priced_limits(const DualState& state) const {
  Functional sum;
  for (std::size_t r = 0; r < state.rows.size(); ++r)
    part_->task.add_row(state.rows[r], state.multiplier[r] / part_->task.scale(state.rows[r]), sum);
  return sum;
}

/// The limit that a mixed path exceeds most.
Functional NodeSolver::exceeded_limit(const DualState& state) const {
  int worst = 0;
  double most = -kInfinity;
  for (std::size_t p = 0; p < state.weight.size(); ++p) {
    if (state.weight[p] <= 0) continue;
    for (int row = 0; row < part_->task.events + static_cast<int>(part_->task.others.size());
         ++row) {
      const double over = part_->task.slope(row, *state.paths[p]);
      if (over <= most) continue;
      most = over;
      worst = row;
    }
  }
  Functional alone;
  part_->task.add_row(worst, 1, alone);
  return alone;
}

/// Layers split at the mean of what their options take from the limits, those on which the mixed
/// paths of the dual disagree most first.
std::vector<NodeSolver::Split> NodeSolver::splits(const SearchNode& node,
                                                  const Functional& limits) {
  part_->dual.pricing().price(limits, view_);
  std::vector<Split> all;
  for (std::size_t k = 0; k < part_->graph.steps.size(); ++k) {
    const Step& step = part_->graph.steps[k];
    const char* const allowed = view_.allowed.data() + part_->graph.steps[k].first_option;
    const auto free = std::count(allowed, allowed + step.own.size(), 1);
    if (free < 2) continue;
    std::vector<double> share(step.own.size(), 0);
    double total = 0;
    for (std::size_t p = 0; p < node.state.weight.size(); ++p) {
      const int option = node.state.paths[p]->choice[step.layer];
      share[option] += node.state.weight[p];
      total += node.state.weight[p];
    }
    if (!all.empty() &&
        std::count_if(share.begin(), share.end(), [](double x) { return x > 0; }) < 2)
      continue;
    const std::vector<double> burdens = burden(static_cast<int>(k));
    double mean = 0;
    double square = 0;
    for (std::size_t o = 0; o < share.size() && total > 0; ++o) {
      mean += share[o] / total * burdens[o];
      square += share[o] / total * burdens[o] * burdens[o];
    }
    const double variance = std::max(0.0, square - mean * mean);
    std::vector<char> heavy(step.own.size(), 0);
    long heavies = 0;
    for (std::size_t o = 0; o < heavy.size(); ++o) {
      heavy[o] = static_cast<char>(burdens[o] > mean);
      heavies += heavy[o] & allowed[o];
    }
    if (heavies == 0 || heavies == free) {
      // No burden tells the options apart: the first one against the others.
      if (!all.empty() && variance <= 0) continue;
      std::fill(heavy.begin(), heavy.end(), 0);
      heavy[std::find(allowed, allowed + step.own.size(), 1) - allowed] = 1;
    }
    all.push_back({static_cast<int>(k), std::move(heavy), variance});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Split& a, const Split& b) { return a.variance > b.variance; });
  return all;
}

/// The node in two; none where a single choice is left.
std::optional<NodeSolver::Halves> NodeSolver::branch(const SearchNode& node) {
  std::vector<Split> all = splits(node, priced_limits(node.state));
  if (all.empty()) return std::nullopt;
  // Where paths differ only in what has no price a limit that one of them breaks must tell.
  if (std::sqrt(all.front().variance) < kLeastGain * (stop() - node.bound))
    all = splits(node, exceeded_limit(node.state));
  all.resize(std::min(all.size(), kTried));
  Halves halves = task_.peak || incumbent_.empty()
                      ? Halves{child(node, all.front(), true), child(node, all.front(), false)}
                      : best_halves(node, all);
  part_->number_as_problem(halves.heavy.state);
  part_->number_as_problem(halves.light.state);
  return halves;
}

/// By the split that betters the bounds of both halves most (strong branching).
NodeSolver::Halves NodeSolver::best_halves(const SearchNode& node,
                                           const std::vector<Split>& splits) {
  const double bound = part_->dual.evaluate(node.state.rows, node.state.multiplier, view_);
  const double least = kLeastGain * (stop() - bound);
  Halves best;
  double most = -1;
  for (const Split& split : splits) {
    Halves halves{child(node, split, true), child(node, split, false)};
    double product = 1;
    for (SearchNode* half : {&halves.heavy, &halves.light})
      product *= std::max(least, bound_half(*half, split) - bound);
    if (product <= most) continue;
    most = product;
    best = std::move(halves);
  }
  return best;
}

/// A few steps of the dual of one half; returns what they reach.
double NodeSolver::bound_half(SearchNode& half, const Split& split) {
  const int first = part_->graph.steps[split.layer_step].first_option;
  const auto allowed = view_.allowed.begin() + first;
  const std::vector<char> whole(allowed, allowed + static_cast<int>(split.heavy.size()));
  for (int o = 0; o < static_cast<int>(whole.size()); ++o)
    allowed[o] = static_cast<char>(whole[o] & half.allowed[first + o]);
  const DualResult result = part_->dual.improve(half.state, view_, kTrialSteps,
                                                [this](const Path& path) { return meet(path); });
  std::copy(whole.begin(), whole.end(), allowed);
  half.bound = std::max(half.bound, result.bound - part_->dual.rounding(half.state, result.bound));
  return std::min(result.bound, stop());
}

SearchNode NodeSolver::child(const SearchNode& node, const Split& split, bool heavy) const {
  SearchNode child{node.allowed, node.bound, {}, node.labels_from};
  const int first = part_->graph.steps[split.layer_step].first_option;
  for (std::size_t o = 0; o < split.heavy.size(); ++o)
    if ((split.heavy[o] != 0) != heavy) child.allowed[first + static_cast<int>(o)] = 0;
  for (std::size_t r = 0; r < node.state.rows.size(); ++r) {
    if (node.state.multiplier[r] <= 0) continue;
    child.state.rows.push_back(node.state.rows[r]);
    child.state.multiplier.push_back(node.state.multiplier[r]);
    child.state.radius.push_back(std::max(node.state.radius[r], 0.3 * node.state.multiplier[r]));
  }
  for (const std::shared_ptr<const Path>& path : node.state.paths) {
    bool valid = true;
    for (std::size_t l = 0; l < first_option_.size() && valid; ++l)
      valid = child.allowed[first_option_[l] + path->choice[l]] != 0;
    if (valid) child.state.paths.push_back(path);
  }
  return child;
}

}  // namespace mpsearch::solver
