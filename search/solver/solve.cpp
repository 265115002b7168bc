#include "search/solver/solve.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "search/solver/check.h"
#include "search/solver/engine.h"

namespace mpsearch {
namespace solver {

bool avoids(const std::vector<int>& choice, const std::vector<std::vector<Pick>>& forbidden) {
  return std::none_of(forbidden.begin(), forbidden.end(), [&](const std::vector<Pick>& picks) {
    return std::all_of(picks.begin(), picks.end(),
                       [&](const Pick& pick) { return choice[pick.layer] == pick.option; });
  });
}

namespace {

Answer run_engine(const Problem& problem, Goal goal, const SolveOptions& options,
                  const Patience& patience) {
  return solve_with_cbc(problem, goal, options, patience);
}

Goal goal_of(Objective objective) {
  return objective == Objective::Ms ? Goal::Ms : Goal::Sensitivity;
}

double objective_of(const Problem& problem, const Evaluation& evaluation) {
  return problem.objective == Objective::Ms ? evaluation.ms : evaluation.sensitivity;
}

/// The problem whose optimum breaks the ties of `problem`: the other cost, with `best` as a limit.
Problem tie_break(const Problem& problem, double best) {
  Problem other = problem;
  const bool ms = problem.objective == Objective::Ms;
  other.objective = ms ? Objective::Sensitivity : Objective::Ms;
  (ms ? other.limits.ms : other.limits.sensitivity) = best;
  return other;
}

/// An answer of an engine is believed only after this.
void demand_valid(const Problem& problem, const SolveOptions& options,
                  const std::vector<int>& choice) {
  const std::string why = violated_limit(problem, evaluate(problem, choice));
  require(why.empty(), ErrorKind::Internal, "the solver's answer breaks a limit: " + why);
  require(avoids(choice, options.forbidden), ErrorKind::Internal,
          "the solver's answer takes a forbidden combination");
}

void check_options(const Problem& problem, const SolveOptions& options) {
  for (const std::vector<Pick>& combination : options.forbidden)
    for (const Pick& pick : combination)
      require(pick.layer >= 0 && static_cast<std::size_t>(pick.layer) < problem.layers.size() &&
                  pick.option >= 0 &&
                  static_cast<std::size_t>(pick.option) < problem.layers[pick.layer].options.size(),
              ErrorKind::Usage,
              "a forbidden combination names a layer or option that is not there");
}

void fill_figures(const Problem& problem, Solution& solution) {
  const Evaluation evaluation = evaluate(problem, solution.choice);
  solution.ms = evaluation.ms;
  solution.sensitivity = evaluation.sensitivity;
  solution.peak_bytes = evaluation.peak;
  solution.peak_event = evaluation.peak_event;
  solution.objective = objective_of(problem, evaluation);
  solution.bound = std::min(solution.bound, solution.objective);
  if (solution.status == SolveStatus::Optimal) return;
  const double size = std::max(std::fabs(solution.objective), 1e-300);
  solution.gap = (solution.objective - solution.bound) / size;
}

}  // namespace
}  // namespace solver

Solution solve(const Problem& problem, const SolveOptions& options) {
  using namespace solver;  // NOLINT: the engines' names, in this file only
  validate(problem);
  check_options(problem, options);
  const Patience patience(options);
  Solution solution;
  solution.solver = "cbc";
  Answer first = run_engine(problem, goal_of(problem.objective), options, patience);
  solution.status = first.status;
  solution.bound = first.bound;
  solution.nodes = first.nodes;
  solution.choice = std::move(first.choice);
  solution.interrupted = first.interrupted || patience.interrupted();
  if (solution.choice.empty()) return solution;
  demand_valid(problem, options, solution.choice);
  const double best = objective_of(problem, evaluate(problem, solution.choice));
  if (solution.status == SolveStatus::Optimal) {
    solution.bound = best;
    const Problem other = tie_break(problem, best);
    const Answer second = run_engine(other, goal_of(other.objective), options, patience);
    solution.nodes += second.nodes;
    if (!second.choice.empty() && objective_of(other, evaluate(other, second.choice)) <
                                      objective_of(other, evaluate(other, solution.choice)))
      solution.choice = second.choice;
    demand_valid(problem, options, solution.choice);
  }
  fill_figures(problem, solution);
  return solution;
}

LeastBudget least_budget(const Problem& problem, const SolveOptions& options) {
  using namespace solver;  // NOLINT: the engines' names, in this file only
  validate(problem);
  check_options(problem, options);
  const Patience patience(options);
  Answer answer = run_engine(problem, Goal::Peak, options, patience);
  LeastBudget least;
  least.status = answer.status;
  least.bound = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(answer.bound)));
  Problem tighter = problem;
  while (!answer.choice.empty()) {
    const Evaluation evaluation = evaluate(problem, answer.choice);
    least.choice = std::move(answer.choice);
    least.bytes = evaluation.peak;
    least.event = evaluation.peak_event;
    least.bound = std::min(least.bound, least.bytes);
    least.status = SolveStatus::Feasible;
    if (least.bytes == 0) break;
    tighter.limits.bytes = least.bytes - 1;
    answer = run_engine(tighter, goal_of(problem.objective), options, patience);
    if (answer.status == SolveStatus::Infeasible) {
      least.status = SolveStatus::Optimal;
      least.bound = least.bytes;
    }
  }
  return least;
}

}  // namespace mpsearch
