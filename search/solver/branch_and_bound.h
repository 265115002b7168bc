// Branch and bound over option sets of layers, with Lagrangian bounds: a few nodes at a time. Used
// by the exact engine.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "search/solver/engine.h"
#include "search/solver/node_solver.h"

namespace mpsearch::solver {

/// As many solvers work on nodes of their own as the size of the graph allows, however many threads
/// there are. After each round they hear of the best choice, so that what is found does not depend
/// on who was faster.
class BranchAndBound {
 public:
  /// `allowed`: the options of the graph to look at, in its order, or empty.
  BranchAndBound(const Problem& problem, FrontierGraph graph, Task task,
                 const std::vector<char>& allowed, const SolveOptions& options,
                 const Patience& patience);

  /// A known feasible choice to start from.
  void start_from(const std::vector<int>& choice) { first().start_from(choice); }
  Answer run();

  /// The multipliers with which the first node was bounded, on the problem's rows.
  const DualState& root() const { return solvers_.front()->root_state(); }

 private:
  NodeSolver& first() { return *solvers_.front(); }
  std::vector<NodeSolver*> hand_out();
  void work(const std::vector<NodeSolver*>& busy, std::int64_t most);
  void spread_incumbent();
  Answer answer() const;

  const SolveOptions& options_;
  const Patience& patience_;
  std::vector<std::unique_ptr<NodeSolver>> solvers_;
  std::vector<SearchNode> open_;
  std::int64_t nodes_ = 0;
};

}  // namespace mpsearch::solver
