#include "search/solver/branch_and_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "search/solver/check.h"
#include "search/solver/grain.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The gap below which an incumbent is good enough to refute what is left.
constexpr double kNearBound = 0.02;

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
      dual_(std::make_unique<Dual>(graph_, offsets_, task_, patience)) {
  for (const Step& step : graph_.steps) {
    for (const int signature : step.signature_of)
      root_view_.allowed.push_back(static_cast<char>(signature >= 0));
    root_view_.to.insert(root_view_.to.end(), step.to.begin(), step.to.end());
  }
  for (std::size_t o = 0; o < allowed.size(); ++o)
    root_view_.allowed[o] = static_cast<char>(root_view_.allowed[o] & allowed[o]);
  if (task_.peak)
    bracket_peak();
  else
    round_base_up();
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

/// The base takes the bytes of the limit that no choice can use up: bounds are better for it.
void BranchAndBound::round_base_up() {
  const Grains grains = grains_of(graph_, root_view_.allowed);
  for (std::size_t e = 0; e < graph_.base.size(); ++e) {
    if (grains.grain[e] == 0) continue;
    const std::int64_t unused = (task_.bytes - grains.some[e]) % grains.grain[e];
    graph_.base[e] += unused < 0 ? unused + grains.grain[e] : unused;
  }
}

void BranchAndBound::start_from(const std::vector<int>& choice) { meet(path_of(graph_, choice)); }

/// A part of the search whose bound reaches this holds nothing better.
double BranchAndBound::stop() const {
  if (incumbent_.empty()) return dearest_ + 1e-9 * std::max(std::fabs(dearest_), spread_);
  if (task_.peak) return incumbent_goal_ - grain_ + 1e-3;
  return incumbent_goal_ - 1e-9 * std::fabs(incumbent_goal_);
}

/// How far the incumbent may be from the best, given a bound, in parts of itself.
double BranchAndBound::gap_to(double bound) const {
  return incumbent_.empty()
             ? kInfinity
             : (incumbent_goal_ - bound) / std::max(std::fabs(incumbent_goal_), 1e-300);
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
      std::optional<Halves> halves = branch(node);
      if (!halves) {  // a single choice, and process() met it
        close(node, node.bound);
        break;
      }
      // Light options lead to better choices, heavy ones are refuted sooner.
      const bool heavy_first = gap_to(node.bound) < kNearBound;
      open.push_back(std::move(heavy_first ? halves->light : halves->heavy));
      node = std::move(heavy_first ? halves->heavy : halves->light);
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

}  // namespace mpsearch::solver
