#include "search/solver/branch_and_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "search/solver/check.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kRootSteps = 300;
constexpr int kNodeSteps = 10;

/// Labels a layer: what a node may take at once, and where less than so many options are free.
constexpr std::size_t kLabels = 200;
constexpr long kFewOptions = 60;
constexpr std::size_t kLabelsOfFew = 5000;

/// Labels of the widest beam at the root, over all layers.
constexpr std::size_t kBeamLabels = 200'000;

}  // namespace

BranchAndBound::BranchAndBound(const Problem& problem, FrontierGraph graph, Task task,
                               const std::vector<char>& allowed, const SolveOptions& options,
                               const Patience& patience)
    : problem_(problem),
      graph_(std::move(graph)),
      task_(std::move(task)),
      options_(options),
      patience_(patience),
      offsets_(graph_),
      classes_(std::make_unique<UsageClasses>(graph_)),
      dual_(std::make_unique<Dual>(graph_, offsets_, task_, patience)) {
  for (const Step& step : graph_.steps) {
    for (const int signature : step.signature_of)
      root_view_.allowed.push_back(static_cast<char>(signature >= 0));
    root_view_.to.insert(root_view_.to.end(), step.to.begin(), step.to.end());
  }
  for (std::size_t o = 0; o < allowed.size(); ++o)
    root_view_.allowed[o] = static_cast<char>(root_view_.allowed[o] & allowed[o]);
  if (task_.peak) bracket_peak();
  dearest_ = task_.peak ? task_.high_peak : dual_->pricing().dearest(task_.goal, root_view_);
  root_bound_ = dual_->evaluate({}, {}, root_view_);
  spread_ = dearest_ - root_bound_;
  price_goal();
  if (!(spread_ > 0)) spread_ = std::max(1.0, std::fabs(dearest_));
}

/// The least usage of one event, and the largest sum of all, bracket the peak.
void BranchAndBound::bracket_peak() {
  Functional one;
  const auto fullest = std::max_element(graph_.base.begin(), graph_.base.end());
  one.events.emplace_back(static_cast<int>(fullest - graph_.base.begin()), 1);
  dual_->pricing().price(one, root_view_);
  task_.low_peak = dual_->pricing().least();
  Functional all;
  for (int e = 0; e < task_.events; ++e) all.events.emplace_back(e, 1);
  task_.high_peak = std::max(task_.low_peak, dual_->pricing().dearest(all, root_view_)) + 1;
  std::int64_t grain = 0;
  for (const std::int64_t bytes : graph_.base) grain = std::gcd(grain, bytes);
  for (const UsageStep& step : graph_.start.steps) grain = std::gcd(grain, step.bytes);
  for (const Item& item : graph_.items)
    for (const UsageStep& step : item.steps) grain = std::gcd(grain, step.bytes);
  grain_ = std::max<std::int64_t>(1, grain);
}

void BranchAndBound::start_from(const std::vector<int>& choice) { meet(path_of(graph_, choice)); }

/// A part of the search whose bound reaches this holds nothing better.
double BranchAndBound::stop() const {
  if (incumbent_.empty()) return dearest_ + 1e-9 * std::max(std::fabs(dearest_), spread_);
  if (task_.peak) return incumbent_goal_ - grain_ + 1e-3;
  return incumbent_goal_ - 1e-9 * std::fabs(incumbent_goal_);
}

/// What costs at most this may be as good as the incumbent.
double BranchAndBound::tie() const {
  if (incumbent_.empty() || task_.peak) return stop();
  return incumbent_goal_ + 2e-9 * std::fabs(incumbent_goal_) + 1e-11 * spread_;
}

/// Remembers what view_ leaves of the node for the breaking of ties; nothing in it is below
/// `least`.
void BranchAndBound::close(const SearchNode& node, double least) {
  if (task_.peak || incumbent_.empty() || least > tie()) return;
  closed_.push_back({least, node.allowed});
}

bool BranchAndBound::feasible(const Path& path) const {
  for (const std::int64_t bytes : path.usage)
    if (bytes > task_.bytes && !task_.peak) return false;
  for (std::size_t r = 0; r < task_.others.size(); ++r)
    if (task_.slope(task_.events + static_cast<int>(r), path) > 0) return false;
  return true;
}

double BranchAndBound::meet(const Path& path) {
  const double goal = task_.goal_of(path);
  if ((incumbent_.empty() || goal < incumbent_goal_) && feasible(path) &&
      violated_limit(problem_, evaluate(problem_, path.choice)).empty()) {
    incumbent_ = path.choice;
    incumbent_goal_ = goal;
    if (task_.peak) {
      task_.bytes = static_cast<std::int64_t>(goal) - grain_;
      task_.high_peak = std::max(task_.low_peak, goal);
    }
  }
  return stop();
}

Answer BranchAndBound::run() {
  std::vector<SearchNode> open;
  SearchNode root;
  root.allowed = root_view_.allowed;
  root.bound = root_bound_;
  open.push_back(std::move(root));
  Answer answer;
  double unfinished = kInfinity;  // the least bound of what was left when a limit struck
  while (!open.empty()) {
    std::size_t at = 0;
    for (std::size_t i = 1; i < open.size(); ++i)
      if (open[i].bound < open[at].bound) at = i;
    SearchNode node = std::move(open[at]);
    open[at] = std::move(open.back());
    open.pop_back();
    bool alive = true;
    while (alive) {  // plunge
      if (node.bound >= stop()) {
        close(node, node.bound);
        break;
      }
      const bool over =
          patience_.over() || (options_.node_limit > 0 && nodes_ >= options_.node_limit);
      if (nodes_ > 0 && over) {  // the first node always gives a bound and mostly an answer
        unfinished = node.bound;
        for (const SearchNode& other : open) unfinished = std::min(unfinished, other.bound);
        open.clear();
        break;
      }
      const bool is_root = nodes_ == 0;
      ++nodes_;
      alive = process(node, is_root);
      if (is_root) {
        root_state_ = node.state;
        root_bound_ = node.bound;
      }
      if (!alive) break;
      const Split chosen = split(node);
      if (chosen.layer_step < 0) {  // a single choice, and process() met it
        close(node, node.bound);
        break;
      }
      // Light options lead to a first solution, heavy ones are refuted sooner.
      const bool heavy_first = !incumbent_.empty();
      open.push_back(child(node, chosen, !heavy_first));
      node = child(node, chosen, heavy_first);
    }
  }
  answer.choice = incumbent_;
  answer.nodes = nodes_;
  answer.interrupted = patience_.interrupted();
  if (std::isinf(unfinished) && unfinished > 0) {
    answer.status = incumbent_.empty() ? SolveStatus::Infeasible : SolveStatus::Optimal;
    answer.bound = incumbent_goal_;
    answer.tied.assign(root_view_.allowed.size(), 0);
    for (const Closed& part : closed_)
      for (std::size_t o = 0; o < part.allowed.size() && part.least <= tie(); ++o)
        answer.tied[o] = static_cast<char>(answer.tied[o] | part.allowed[o]);
  } else {
    answer.status = incumbent_.empty() ? SolveStatus::Unknown : SolveStatus::Feasible;
    answer.bound = unfinished;
  }
  return answer;
}

/// Bounds and shrinks the node, leaving what remains in view_; false when it holds nothing better.
bool BranchAndBound::process(SearchNode& node, bool is_root) {
  strike_root();
  view_ = root_view_;
  for (std::size_t o = 0; o < view_.allowed.size(); ++o)
    view_.allowed[o] = static_cast<char>(view_.allowed[o] & node.allowed[o]);
  if (!bound_rows(node) || !tighten(node, is_root ? kRootSteps : kNodeSteps)) return false;
  if (is_root) {
    const double before = stop();
    search_beams(node, 24);
    search_beams(node, 100);
    search_beams(node, std::clamp<std::size_t>(kBeamLabels / graph_.steps.size(), 200, 2000));
    search_near_incumbent(node);
    if (stop() < before && !tighten(node, kNodeSteps)) return false;
    root_view_ = view_;
    shrink_graph();
    view_ = root_view_;
    if (!bound_rows(node)) return false;
    dual_->evaluate(node.state.rows, node.state.multiplier, view_);
  } else if (incumbent_.empty() || nodes_ % 16 == 0) {
    search_beams(node, 24);
    search_near_incumbent(node);
  }
  node.allowed = view_.allowed;
  if (node.bound >= stop()) {
    close(node, node.bound);
    return false;
  }
  return finish_by_labels(node);
}

/// Once the incumbent is better, less of the whole graph is worth looking at.
void BranchAndBound::strike_root() {
  if (nodes_ <= 1 || incumbent_.empty() || incumbent_goal_ == struck_at_) return;
  struck_at_ = incumbent_goal_;
  const double bound = dual_->evaluate(root_state_.rows, root_state_.multiplier, root_view_);
  if (std::isinf(bound)) return;
  dual_->pricing().strike(root_view_,
                          tie() + dual_->rounding(root_state_, bound) +
                              dual_->constant(root_state_.rows, root_state_.multiplier));
  const auto alive =
      std::count_if(root_view_.to.begin(), root_view_.to.end(), [](int to) { return to >= 0; });
  if (2 * static_cast<std::size_t>(alive) < root_view_.to.size()) shrink_graph();
}

/// Leaves of the graph only what the root's view holds.
void BranchAndBound::shrink_graph() {
  for (std::size_t k = 0; k < graph_.steps.size(); ++k)
    std::copy_n(root_view_.to.begin() + static_cast<std::ptrdiff_t>(offsets_.arc[k]),
                graph_.steps[k].to.size(), graph_.steps[k].to.begin());
  reduce(graph_, root_view_.allowed);
  offsets_ = Offsets(graph_);
  classes_ = std::make_unique<UsageClasses>(graph_);
  dual_ = std::make_unique<Dual>(graph_, offsets_, task_, patience_);
  root_view_.to.clear();
  for (const Step& step : graph_.steps)
    root_view_.to.insert(root_view_.to.end(), step.to.begin(), step.to.end());
  row_bounds_.clear();
  price_goal();
}

void BranchAndBound::price_goal() {
  goal_ = std::make_unique<Pricing>(graph_, offsets_);
  goal_->price(task_.goal, root_view_);
}

/// The cheapest ways to the end for each row of the node alone; strikes out what breaks one.
bool BranchAndBound::bound_rows(SearchNode& node) {
  std::vector<int> rows = node.state.rows;
  for (std::size_t r = 0; r < task_.others.size(); ++r) {
    const int row = task_.events + static_cast<int>(r);
    if (std::count(rows.begin(), rows.end(), row) == 0) rows.push_back(row);
  }
  row_bounds_.clear();
  for (const int row : rows) {
    Functional alone;
    task_.add_row(row, 1, alone);
    row_bounds_.push_back({row, Pricing(graph_, offsets_)});
    Pricing& pricing = row_bounds_.back().pricing;
    pricing.price(alone, view_);
    const double most = task_.limit(row) + 1e-12 * std::fabs(task_.limit(row));
    if (!(pricing.least() <= most)) return false;
    pricing.strike(view_, most);
  }
  return true;
}

/// Alternates between better multipliers and striking out by them.
bool BranchAndBound::tighten(SearchNode& node, int steps) {
  for (int round = 0; round < 4; ++round) {
    const DualResult result = dual_->improve(node.state, view_, round == 0 ? steps : kNodeSteps / 3,
                                             [this](const Path& path) { return meet(path); });
    if (result.enough) {
      node.allowed = view_.allowed;
      close(node, std::isinf(result.bound)
                      ? result.bound
                      : result.bound - dual_->rounding(node.state, result.bound));
      return false;
    }
    double bound = dual_->evaluate(node.state.rows, node.state.multiplier, view_);
    bound -= dual_->rounding(node.state, bound);
    node.bound = std::max(node.bound, bound);
    if (node.bound >= stop()) {
      node.allowed = view_.allowed;
      close(node, node.bound);
      return false;
    }
    const auto left = std::count(view_.allowed.begin(), view_.allowed.end(), 1);
    const int struck =
        dual_->pricing().strike(view_, tie() + 2 * dual_->rounding(node.state, bound) +
                                           dual_->constant(node.state.rows, node.state.multiplier));
    if (struck * 10 <= left) break;
  }
  const double bound = dual_->evaluate(node.state.rows, node.state.multiplier, view_);
  return !std::isinf(bound);
}

/// Solves the node by labels if few are enough; false when nothing better is left in it.
bool BranchAndBound::finish_by_labels(SearchNode& node) {
  const long left = std::count(view_.allowed.begin(), view_.allowed.end(), 1) -
                    static_cast<long>(graph_.steps.size());
  if (left > node.labels_from) return true;
  classes_->look_ahead(graph_, view_.allowed);
  const LabelResult result =
      search_labels(node, view_, left < kFewOptions ? kLabelsOfFew : kLabels, true);
  if (!result.complete) {
    node.labels_from = left * 19 / 20;
    return true;
  }
  for (const Path& path : result.found) meet(path);
  double least = result.least_pruned;
  if (!result.found.empty()) least = std::min(least, task_.goal_of(result.found.front()));
  close(node, least);
  return false;
}

LabelResult BranchAndBound::search_labels(const SearchNode& node, const View& view,
                                          std::size_t most, bool exact) const {
  const LabelTask task{graph_,
                       offsets_,
                       *classes_,
                       task_,
                       view,
                       *goal_,
                       dual_->pricing(),
                       node.state.rows,
                       node.state.multiplier,
                       dual_->constant(node.state.rows, node.state.multiplier),
                       row_bounds_};
  return label_search(task, stop(), most, exact);
}

void BranchAndBound::search_beams(const SearchNode& node, std::size_t most) {
  classes_->look_ahead(graph_, view_.allowed);
  const LabelResult result = search_labels(node, view_, most, false);
  for (const Path& path : result.found) meet(path);
}

/// A beam over the options that the incumbent or the mixed paths of the dual take.
void BranchAndBound::search_near_incumbent(const SearchNode& node) {
  if (incumbent_.empty()) return;
  classes_->look_ahead(graph_, view_.allowed);
  View near = view_;
  std::fill(near.allowed.begin(), near.allowed.end(), 0);
  for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
    const int layer = graph_.steps[k].layer;
    near.allowed[offsets_.option[k] + incumbent_[layer]] = 1;
    for (std::size_t p = 0; p < node.state.weight.size(); ++p)
      if (node.state.weight[p] > 0)
        near.allowed[offsets_.option[k] + node.state.paths[p]->choice[layer]] = 1;
  }
  for (std::size_t o = 0; o < near.allowed.size(); ++o)
    near.allowed[o] = static_cast<char>(near.allowed[o] & view_.allowed[o]);
  if (std::isinf(dual_->evaluate(node.state.rows, node.state.multiplier, near))) return;
  const LabelResult result = search_labels(node, near, 2 * kLabels, false);
  for (const Path& path : result.found) meet(path);
  dual_->evaluate(node.state.rows, node.state.multiplier, view_);
}

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

/// The layer on whose burden the mixed paths of the dual disagree most, split at the mean.
BranchAndBound::Split BranchAndBound::split(const SearchNode& node) const {
  Split best;
  double most = -1;
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
    if (most >= 0 && std::count_if(share.begin(), share.end(), [](double x) { return x > 0; }) < 2)
      continue;
    const std::vector<double> burdens = burden(static_cast<int>(k));
    double mean = 0;
    double square = 0;
    for (std::size_t o = 0; o < share.size() && total > 0; ++o) {
      mean += share[o] / total * burdens[o];
      square += share[o] / total * burdens[o] * burdens[o];
    }
    const double variance = std::max(0.0, square - mean * mean);
    if (variance <= most) continue;
    std::vector<char> heavy(step.own.size(), 0);
    long heavies = 0;
    for (std::size_t o = 0; o < heavy.size(); ++o) {
      heavy[o] = static_cast<char>(burdens[o] > mean);
      heavies += heavy[o] & allowed[o];
    }
    if (heavies == 0 || heavies == free) {
      // No burden tells the options apart: the first one against the others.
      if (most >= 0 && variance <= 0) continue;
      std::fill(heavy.begin(), heavy.end(), 0);
      heavy[std::find(allowed, allowed + step.own.size(), 1) - allowed] = 1;
    }
    most = variance;
    best.layer_step = static_cast<int>(k);
    best.heavy = std::move(heavy);
  }
  return best;
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
