#include "search/solver/branch_and_bound.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "search/solver/side_by_side.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Solvers at most, and the arcs of all their graphs.
constexpr std::int64_t kSolvers = 4;
constexpr std::int64_t kArcsOfAll = 8'000'000;

/// Nodes that a solver sees in a round.
constexpr std::int64_t kNodesOfRound = 2;

}  // namespace

BranchAndBound::BranchAndBound(const Problem& problem, FrontierGraph graph, Task task,
                               const std::vector<char>& allowed, const SolveOptions& options,
                               const Patience& patience)
    : options_(options), patience_(patience) {
  solvers_.push_back(std::make_unique<NodeSolver>(problem, std::move(graph), std::move(task),
                                                  allowed, options, patience));
}

Answer BranchAndBound::run() {
  first().take(first().root());
  work({&first()}, 1);
  if (!first().going()) return answer();
  while (true) {
    const std::vector<NodeSolver*> busy = hand_out();
    if (busy.empty() || patience_.over()) break;
    std::int64_t most = kNodesOfRound;
    if (options_.node_limit > 0) {
      if (nodes_ >= options_.node_limit) break;
      const auto solvers = static_cast<std::int64_t>(busy.size());
      most = std::clamp<std::int64_t>((options_.node_limit - nodes_) / solvers, 1, most);
    }
    work(busy, most);
  }
  return answer();
}

/// Gives the most promising nodes to solvers that have none; returns those that have one.
std::vector<NodeSolver*> BranchAndBound::hand_out() {
  const auto less = [](const SearchNode& a, const SearchNode& b) { return a.bound < b.bound; };
  const auto most = static_cast<std::size_t>(std::clamp<std::int64_t>(
      kArcsOfAll / std::max<std::int64_t>(1, first().arcs()), 1, kSolvers));
  std::vector<NodeSolver*> busy;
  for (std::size_t i = 0; i < most; ++i) {
    if (i == solvers_.size()) {
      if (open_.empty()) break;
      solvers_.push_back(std::make_unique<NodeSolver>(first()));
    }
    NodeSolver& solver = *solvers_[i];
    if (!solver.going() && !open_.empty()) {
      const auto best = std::min_element(open_.begin(), open_.end(), less);
      if (best->bound < solver.stop()) {
        solver.take(std::move(*best));
        *best = std::move(open_.back());
        open_.pop_back();
      }
    }
    if (solver.going()) busy.push_back(&solver);
  }
  return busy;
}

void BranchAndBound::work(const std::vector<NodeSolver*>& busy, std::int64_t most) {
  std::vector<std::vector<SearchNode>> open(busy.size());
  std::int64_t before = 0;
  for (const NodeSolver* solver : busy) before += solver->nodes();
  side_by_side(busy.size(), [&](std::size_t i) { busy[i]->plunge(most, open[i]); });
  for (const NodeSolver* solver : busy) nodes_ += solver->nodes();
  nodes_ -= before;
  for (std::vector<SearchNode>& nodes : open)
    std::move(nodes.begin(), nodes.end(), std::back_inserter(open_));
  spread_incumbent();
}

void BranchAndBound::spread_incumbent() {
  const NodeSolver* best = nullptr;
  for (const auto& solver : solvers_)
    if (!solver->incumbent().empty() &&
        (best == nullptr || solver->incumbent_goal() < best->incumbent_goal()))
      best = solver.get();
  if (best == nullptr) return;
  for (const auto& solver : solvers_) solver->hear_of(best->incumbent(), best->incumbent_goal());
}

Answer BranchAndBound::answer() const {
  const NodeSolver& first = *solvers_.front();
  double unfinished = kInfinity;  // the least bound of what is left
  for (const SearchNode& node : open_)
    if (node.bound < first.stop()) unfinished = std::min(unfinished, node.bound);
  for (const auto& solver : solvers_)
    if (solver->going()) unfinished = std::min(unfinished, solver->going()->bound);
  Answer answer;
  answer.choice = first.incumbent();
  answer.nodes = nodes_;
  answer.interrupted = patience_.interrupted();
  if (unfinished < kInfinity) {
    answer.status = answer.choice.empty() ? SolveStatus::Unknown : SolveStatus::Feasible;
    answer.bound = unfinished;
    return answer;
  }
  answer.status = answer.choice.empty() ? SolveStatus::Infeasible : SolveStatus::Optimal;
  answer.bound = first.incumbent_goal();
  answer.tied.assign(first.root().allowed.size(), 0);
  const auto may_tie = [&](double least, const std::vector<char>& allowed) {
    for (std::size_t o = 0; o < allowed.size() && least <= first.tie(); ++o)
      answer.tied[o] = static_cast<char>(answer.tied[o] | allowed[o]);
  };
  for (const auto& solver : solvers_)
    for (const ClosedNode& node : solver->closed()) may_tie(node.least, node.allowed);
  for (const SearchNode& node : open_) may_tie(node.bound, node.allowed);
  return answer;
}

}  // namespace mpsearch::solver
