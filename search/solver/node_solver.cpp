#include "search/solver/node_solver.h"

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

NodeSolver::NodeSolver(const Problem& problem, FrontierGraph graph, Task task,
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
void NodeSolver::bracket_peak() {
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

NodeSolver::NodeSolver(const NodeSolver& first)
    : problem_(first.problem_),
      task_(first.task_),
      first_option_(first.first_option_),
      grain_(first.grain_),
      options_(first.options_),
      patience_(first.patience_),
      root_part_(std::make_shared<Part>(first.root_part_->graph, first.root_part_->whole.allowed,
                                        first.task_, first.patience_)),
      root_state_(first.root_state_),
      least_(first.least_),
      spread_(first.spread_),
      dearest_(first.dearest_),
      incumbent_(first.incumbent_),
      incumbent_goal_(first.incumbent_goal_),
      struck_at_(first.struck_at_),
      nodes_(first.nodes_),
      vain_sweeps_(first.vain_sweeps_),
      next_sweep_(first.next_sweep_) {
  root_part_->whole = first.root_part_->whole;
}

void NodeSolver::start_from(const std::vector<int>& choice) { meet(path_of(part_->graph, choice)); }

SearchNode NodeSolver::root() const {
  SearchNode root;
  root.allowed = view_.allowed;
  root.bound = least_;
  return root;
}

void NodeSolver::take(SearchNode node) {
  going_ = std::move(node);
  within_last_ = false;
}

void NodeSolver::hear_of(const std::vector<int>& choice, double goal) {
  if (!incumbent_.empty() && goal >= incumbent_goal_) return;
  incumbent_ = choice;
  incumbent_goal_ = goal;
  if (!task_.peak) return;
  task_.bytes = static_cast<std::int64_t>(goal) - grain_;
  task_.high_peak = std::max(task_.low_peak, goal);
  if (part_) tell_part();
}

void NodeSolver::plunge(std::int64_t most, std::vector<SearchNode>& open) {
  for (; going_ && going_->bound < stop() && most > 0; --most) {
    if (nodes_ > 0 && patience_.over()) return;  // the first node always gives a bound
    step_down(open);
  }
  if (!going_ || going_->bound < stop()) return;
  close(*going_, going_->bound);
  going_.reset();
}

/// Settles or splits the node, and turns to one of the halves.
void NodeSolver::step_down(std::vector<SearchNode>& open) {
  SearchNode& node = *going_;
  const bool is_root = ++nodes_ == 1;
  if (!is_root) turn_to(node, within_last_);
  within_last_ = true;
  const bool alive = process(node);
  if (is_root) {
    root_state_ = node.state;
    root_state_.paths.clear();
    part_->number_as_problem(root_state_);
    root_part_ = part_;
    struck_at_ = incumbent_goal_;
  }
  std::optional<Halves> halves = alive ? branch(node) : std::nullopt;
  if (!halves) {
    if (alive) close(node, node.bound);  // a single choice, and process() met it
    going_.reset();
    return;
  }
  // Light options lead to better choices, heavy ones are refuted sooner.
  const bool heavy_first = gap_to(node.bound) < kNearBound;
  open.push_back(std::move(heavy_first ? halves->light : halves->heavy));
  node = std::move(heavy_first ? halves->heavy : halves->light);
}

double NodeSolver::stop() const {
  if (incumbent_.empty()) return dearest_ + 1e-9 * std::max(std::fabs(dearest_), spread_);
  if (task_.peak) return incumbent_goal_ - grain_ + 1e-3;
  return incumbent_goal_ - 1e-9 * std::fabs(incumbent_goal_);
}

/// How far the incumbent may be from the best, given a bound, in parts of itself.
double NodeSolver::gap_to(double bound) const {
  return incumbent_.empty()
             ? kInfinity
             : (incumbent_goal_ - bound) / std::max(std::fabs(incumbent_goal_), 1e-300);
}

double NodeSolver::tie() const {
  if (incumbent_.empty() || task_.peak) return stop();
  return incumbent_goal_ + 2e-9 * std::fabs(incumbent_goal_) + 1e-11 * spread_;
}

/// Remembers what view_ leaves of the node for the breaking of ties; nothing in it is below
/// `least`.
void NodeSolver::close(const SearchNode& node, double least) {
  if (task_.peak || incumbent_.empty() || least > tie()) return;
  closed_.push_back({least, node.allowed});
}

bool NodeSolver::feasible(const Path& path) const {
  for (const std::int64_t bytes : path.usage)
    if (bytes > part_->task.bytes && !task_.peak) return false;
  for (std::size_t r = 0; r < part_->task.others.size(); ++r)
    if (part_->task.slope(part_->task.events + static_cast<int>(r), path) > 0) return false;
  return true;
}

double NodeSolver::meet(const Path& path) {
  const double goal = part_->task.goal_of(path);
  if ((incumbent_.empty() || goal < incumbent_goal_) && feasible(path) &&
      violated_limit(problem_, evaluate(problem_, path.choice)).empty())
    hear_of(path.choice, goal);
  return stop();
}

}  // namespace mpsearch::solver
