// Rows of the solver's benchmark that look at many limits of one problem, or at another engine.
#pragma once

#include <string>
#include <vector>

#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::bench {

struct NamedProblem {
  std::string name;
  Problem problem;
};

/// solve(), stopped after `limit` seconds of CPU time; `seconds`: what it took.
Solution solve_in_cpu_time(const Problem& problem, SolveOptions options, double limit,
                           double& seconds);

std::vector<NamedProblem> front_problems();
std::vector<NamedProblem> peer_problems();
/// Each at a quarter, half and three quarters between its least and its loosest budget.
std::vector<NamedProblem> at_three_budgets(const std::vector<NamedProblem>& problems);

/// Each prints its row (and with `each` a line a problem) and returns whether what must hold of it
/// does.
bool run_sweep();   // 100 budgets: never over one, never dearer with more
bool run_random();  // 1,000 small random graphs at three budgets each
/// 20 budgets of each problem: the time of all.
bool run_front(const std::vector<NamedProblem>& problems, bool each);
/// The same optimum as CBC on the arc-flow model, in less time.
bool run_peer(const std::vector<NamedProblem>& problems, double limit, bool each);

}  // namespace mpsearch::bench
