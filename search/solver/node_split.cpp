// How branch and bound splits a node in two.
#include <algorithm>
#include <memory>

#include "search/solver/branch_and_bound.h"

namespace mpsearch::solver {
namespace {

/// Splits that are tried, and the steps of the dual for each half of one.
constexpr std::size_t kTried = 8;
constexpr int kTrialSteps = 6;

/// Of the gap: what a half whose bound is no better counts for.
constexpr double kLeastGain = 1e-6;

}  // namespace

/// What each option of a step takes from the limits at the current multipliers: its price without
/// the goal, averaged over the arcs that are left.
std::vector<double> BranchAndBound::burden(int k) const {
  const Step& step = graph_.steps[k];
  std::vector<double> sum(step.signatures, 0);
  std::vector<double> count(step.signatures, 0);
  const auto goal = [&](int item) {
    return task_.goal.ms * graph_.items[item].ms +
           task_.goal.sensitivity * graph_.items[item].sensitivity;
  };
  for (int n = 0; n < step.nodes; ++n)
    for (int s = 0; s < step.signatures; ++s) {
      if (view_.to[offsets_.arc[k] + static_cast<std::size_t>(n) * step.signatures + s] < 0)
        continue;
      const int cell = step.row_of[n] * step.signatures + s;
      sum[s] += dual_->pricing().cell(k, step.row_of[n], s);
      for (int i = step.cell_start[cell]; i < step.cell_start[cell + 1]; ++i)
        sum[s] -= goal(step.cell_items[i]);
      count[s] += 1;
    }
  std::vector<double> burdens;
  for (std::size_t o = 0; o < step.own.size(); ++o) {
    const int s = step.signature_of[o];
    if (s < 0) {
      burdens.push_back(0);
      continue;
    }
    burdens.push_back(dual_->pricing().own(k, static_cast<int>(o)) - goal(step.own[o]) +
                      (count[s] > 0 ? sum[s] / count[s] : 0));
  }
  return burdens;
}

/// Layers split at the mean of their burden, those on which the mixed paths of the dual disagree
/// most first.
std::vector<BranchAndBound::Split> BranchAndBound::splits(const SearchNode& node) const {
  std::vector<Split> all;
  for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
    const Step& step = graph_.steps[k];
    const char* const allowed = view_.allowed.data() + offsets_.option[k];
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

/// Of the most promising splits the one that betters the bounds of both halves most (strong
/// branching); none where a single choice is left.
std::optional<BranchAndBound::Halves> BranchAndBound::branch(const SearchNode& node) {
  std::vector<Split> all = splits(node);
  if (all.empty()) return std::nullopt;
  if (task_.peak || incumbent_.empty())
    return Halves{child(node, all.front(), true), child(node, all.front(), false)};
  all.resize(std::min(all.size(), kTried));
  const double bound = dual_->evaluate(node.state.rows, node.state.multiplier, view_);
  const double least = kLeastGain * (stop() - bound);
  std::optional<Halves> best;
  double most = -1;
  for (const Split& split : all) {
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
double BranchAndBound::bound_half(SearchNode& half, const Split& split) {
  const int first = offsets_.option[split.layer_step];
  const auto allowed = view_.allowed.begin() + first;
  const std::vector<char> whole(allowed, allowed + static_cast<int>(split.heavy.size()));
  for (int o = 0; o < static_cast<int>(whole.size()); ++o)
    allowed[o] = static_cast<char>(whole[o] & half.allowed[first + o]);
  const DualResult result = dual_->improve(half.state, view_, kTrialSteps,
                                           [this](const Path& path) { return meet(path); });
  std::copy(whole.begin(), whole.end(), allowed);
  half.bound = std::max(half.bound, result.bound - dual_->rounding(half.state, result.bound));
  return std::min(result.bound, stop());
}

SearchNode BranchAndBound::child(const SearchNode& node, const Split& split, bool heavy) const {
  SearchNode child{node.allowed, node.bound, {}, node.labels_from};
  const int first = offsets_.option[split.layer_step];
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
    for (std::size_t k = 0; k < graph_.steps.size() && valid; ++k)
      valid = child.allowed[offsets_.option[k] + path->choice[graph_.steps[k].layer]] != 0;
    if (valid) child.state.paths.push_back(path);
  }
  return child;
}

}  // namespace mpsearch::solver
