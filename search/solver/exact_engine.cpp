#include <cmath>
#include <utility>

#include "search/solver/branch_and_bound.h"
#include "search/solver/engine.h"
#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {

Answer solve_exactly(const Problem& problem, const FrontierGraph& graph, Goal goal,
                     const std::vector<KnownLimit>& known, const std::vector<int>& start,
                     const std::vector<char>& allowed, const SolveOptions& options,
                     const Patience& patience, KnownLimit* certificate) {
  if (graph.steps.front().nodes == 0) return {SolveStatus::Infeasible, {}, 0, 0, false, {}};
  Task task;
  task.goal.ms = goal == Goal::Ms ? 1 : 0;
  task.goal.sensitivity = goal == Goal::Sensitivity ? 1 : 0;
  task.bytes = problem.limits.bytes;
  task.events = problem.events;
  task.peak = goal == Goal::Peak;
  const auto relaxed = [](double limit) { return limit + 1e-9 * std::fabs(limit); };
  if (problem.limits.ms) task.others.push_back({{1, 0, {}}, relaxed(*problem.limits.ms)});
  if (problem.limits.sensitivity)
    task.others.push_back({{0, 1, {}}, relaxed(*problem.limits.sensitivity)});
  for (const KnownLimit& limit : known)
    task.others.push_back({{limit.ms, limit.sensitivity, limit.events}, limit.limit, true});
  BranchAndBound search(problem, graph, task, allowed, options, patience);
  if (!start.empty()) search.start_from(start);
  Answer answer = search.run();
  if (certificate != nullptr) {
    Functional sum = task.goal;
    const DualState& root = search.root();
    double constant = 0;
    for (std::size_t r = 0; r < root.rows.size(); ++r) {
      const double weight = root.multiplier[r] / task.scale(root.rows[r]);
      task.add_row(root.rows[r], weight, sum);
      constant += weight * task.limit(root.rows[r]);
    }
    *certificate = {sum.ms, sum.sensitivity, sum.events, constant};
  }
  return answer;
}

}  // namespace mpsearch::solver
