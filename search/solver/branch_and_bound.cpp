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

/// The gap below which an incumbent is good enough to refute what is left.
constexpr double kNearBound = 0.02;

}  // namespace

BranchAndBound::BranchAndBound(const Problem& problem, FrontierGraph graph, Task task,
                               const std::vector<char>& allowed, const SolveOptions& options,
                               const Patience& patience)
    : problem_(problem),
      task_(std::move(task)),
      first_option_(problem.layers.size()),
      options_(options),
      patience_(patience) {
  for (const Step& step : graph.steps) first_option_[step.layer] = step.first_option;
  view_.allowed = all_options(graph);
  for (std::size_t o = 0; o < allowed.size(); ++o)
    view_.allowed[o] = static_cast<char>(view_.allowed[o] & allowed[o]);
  if (!task_.peak) round_base_up(graph, view_.allowed);
  use(std::make_shared<Part>(std::move(graph), view_.allowed, task_, patience));
  if (task_.peak) bracket_peak();
  dearest_ = task_.peak ? task_.high_peak : part_->dual.pricing().dearest(task_.goal, view_);
  least_ = part_->dual.evaluate({}, {}, view_);
  spread_ = dearest_ - least_;
  if (!(spread_ > 0)) spread_ = std::max(1.0, std::fabs(dearest_));
}

/// The least usage of one event, and the largest sum of all, bracket the peak.
void BranchAndBound::bracket_peak() {
  Functional one;
  const auto fullest = std::max_element(part_->graph.base.begin(), part_->graph.base.end());
  one.events.emplace_back(static_cast<int>(fullest - part_->graph.base.begin()), 1);
  part_->dual.pricing().price(one, view_);
  task_.low_peak = part_->dual.pricing().least();
  Functional all;
  for (int e = 0; e < task_.events; ++e) all.events.emplace_back(e, 1);
  task_.high_peak = std::max(task_.low_peak, part_->dual.pricing().dearest(all, view_)) + 1;
  tell_part();
  std::int64_t grain = 0;
  for (const std::int64_t bytes : part_->graph.base) grain = std::gcd(grain, bytes);
  for (const UsageStep& step : part_->graph.start.steps) grain = std::gcd(grain, step.bytes);
  for (const Item& item : part_->graph.items)
    for (const UsageStep& step : item.steps) grain = std::gcd(grain, step.bytes);
  grain_ = std::max<std::int64_t>(1, grain);
}

void BranchAndBound::start_from(const std::vector<int>& choice) {
  meet(path_of(part_->graph, choice));
}

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
    if (bytes > part_->task.bytes && !task_.peak) return false;
  for (std::size_t r = 0; r < part_->task.others.size(); ++r)
    if (part_->task.slope(part_->task.events + static_cast<int>(r), path) > 0) return false;
  return true;
}

double BranchAndBound::meet(const Path& path) {
  const double goal = part_->task.goal_of(path);
  if ((incumbent_.empty() || goal < incumbent_goal_) && feasible(path) &&
      violated_limit(problem_, evaluate(problem_, path.choice)).empty()) {
    incumbent_ = path.choice;
    incumbent_goal_ = goal;
    if (task_.peak) {
      task_.bytes = static_cast<std::int64_t>(goal) - grain_;
      task_.high_peak = std::max(task_.low_peak, goal);
      tell_part();
    }
  }
  return stop();
}

Answer BranchAndBound::run() {
  std::vector<SearchNode> open;
  SearchNode root;
  root.allowed = view_.allowed;
  root.bound = least_;
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
    bool within_last = false;
    while (true) {  // plunge
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
      const bool is_root = ++nodes_ == 1;
      if (!is_root) turn_to(node, within_last);
      within_last = true;
      const bool alive = process(node);
      if (is_root) {
        root_state_ = node.state;
        root_state_.paths.clear();
        part_->number_as_problem(root_state_);
        root_part_ = part_;
        struck_at_ = incumbent_goal_;
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
    answer.tied.assign(view_.allowed.size(), 0);
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
