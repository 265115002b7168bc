#include "tests/bench/solver_sweeps.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

#include "search/solver/check.h"
#include "search/solver/solve.h"
#include "tests/bench/solver_instances.h"
#include "tests/support/solver_random.h"

namespace mpsearch::bench {
namespace {

constexpr int kFamilies = 5;

double cpu() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// What solving one problem under many byte limits came to.
struct Sweep {
  int solved = 0;
  int proven = 0;
  int over = 0;    // choices that break a limit, by the independent checker
  int dearer = 0;  // objectives that rise with the budget
};

Problem unlimited(Problem problem) {
  problem.limits.bytes = std::int64_t{1} << 50;
  return problem;
}

/// `count` byte limits from the least that is feasible to the most that makes a difference; empty
/// where nothing is feasible.
std::vector<std::int64_t> budgets_of(const Problem& problem, int count,
                                     const SolveOptions& options) {
  const LeastBudget least = least_budget(problem, options);
  if (least.choice.empty()) return {};
  const Solution loose = solve(unlimited(problem), options);
  const auto room = static_cast<double>(std::max<std::int64_t>(0, loose.peak_bytes - least.bytes));
  std::vector<std::int64_t> budgets;
  for (int i = 0; i < count; ++i)
    budgets.push_back(least.bytes + static_cast<std::int64_t>(room * i / std::max(1, count - 1)));
  return budgets;
}

void check_front(Problem problem, const std::vector<std::int64_t>& budgets,
                 const std::vector<Solution>& front, Sweep& sum) {
  double before = INFINITY;
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    const Solution& solution = front[i];
    if (solution.choice.empty()) continue;
    problem.limits.bytes = budgets[i];
    ++sum.solved;
    sum.proven += static_cast<int>(solution.status == SolveStatus::Optimal);
    if (!violated_limit(problem, evaluate(problem, solution.choice)).empty()) ++sum.over;
    if (solution.objective > before + 2e-9 * std::fabs(before)) ++sum.dearer;
    before = solution.objective;
  }
}

void sweep(const Problem& problem, int count, const SolveOptions& options, Sweep& sum) {
  const std::vector<std::int64_t> budgets = budgets_of(problem, count, options);
  check_front(problem, budgets, solve_front(problem, budgets, options), sum);
}

InstanceSpec spec_of(int family, int layers, bool repeated, std::uint64_t seed) {
  return {static_cast<Family>(family), layers, repeated, false, seed};
}

const char* verdict(bool holds) { return holds ? "holds" : "MISSED"; }

}  // namespace

bool run_sweep() {
  Sweep sum;
  for (int family = 0; family < kFamilies; ++family)
    sweep(draw_instance(spec_of(family, 60, true, 1)), 100, {.node_limit = 2000}, sum);
  const bool holds = sum.over == 0 && sum.dearer == 0;
  std::printf("sweep: repeated blocks, 60 layers, seed 1 of each family, 100 budgets each\n");
  std::printf("          %s: 0 over budget (%d), 0 dearer with more memory (%d) of %d, %d proven\n",
              verdict(holds), sum.over, sum.dearer, sum.solved, sum.proven);
  std::fflush(stdout);
  return holds;
}

bool run_front() {
  std::printf("front: repeated blocks, 60 layers, seeds 1 and 2 of each family, 20 budgets each\n");
  std::vector<double> seconds;
  Sweep sum;
  for (int family = 0; family < kFamilies; ++family)
    for (const std::uint64_t seed : {1, 2}) {
      const Problem problem = draw_instance(spec_of(family, 60, true, seed));
      const SolveOptions options{.node_limit = 2000};
      const std::vector<std::int64_t> budgets = budgets_of(problem, 20, options);
      const double start = cpu();
      const std::vector<Solution> front = solve_front(problem, budgets, options);
      seconds.push_back(cpu() - start);
      check_front(problem, budgets, front, sum);
    }
  std::sort(seconds.begin(), seconds.end());
  const auto in_time = std::ranges::count_if(seconds, [](double s) { return s <= 1; });
  const bool holds = seconds[seconds.size() / 2] <= 1 && sum.over == 0 && sum.dearer == 0;
  std::printf(
      "          %s: <= 1 s in the median (%.2f s; %d of %zu fronts <= 1 s, worst %.2f s; %d of %d "
      "points proven, %d over budget, %d dearer with more memory)\n",
      verdict(holds), seconds[seconds.size() / 2], static_cast<int>(in_time), seconds.size(),
      seconds.back(), sum.proven, sum.solved, sum.over, sum.dearer);
  std::fflush(stdout);
  return holds;
}

bool run_random() {
  Sweep sum;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    testing::RandomProblem random(seed + 700000, 12, 5);
    sweep(random.draw(), 3, {}, sum);
  }
  const bool holds = sum.over == 0 && sum.dearer == 0 && sum.proven == sum.solved;
  std::printf("random: 1,000 random graphs (seeds 700001 to 701000) at three budgets each\n");
  std::printf("          %s: 0 over budget (%d), 0 dearer with more (%d), all proven (%d of %d)\n",
              verdict(holds), sum.over, sum.dearer, sum.proven, sum.solved);
  std::fflush(stdout);
  return holds;
}

bool run_peer() {
  int compared = 0;
  int unequal = 0;
  std::vector<double> ratios;
  for (int family = 0; family < kFamilies; ++family)
    for (const int layers : {20, 40, 60})
      for (const std::uint64_t seed : {1, 2}) {
        const Problem problem = draw_instance(spec_of(family, layers, false, seed));
        double start = cpu();
        const Solution ours = solve(problem, {.engine = Engine::Exact, .time_limit = 60});
        const double mine = cpu() - start;
        start = cpu();
        const Solution theirs = solve(problem, {.engine = Engine::Cbc, .time_limit = 60});
        ratios.push_back(mine / std::max(1e-4, cpu() - start));
        if (ours.status != SolveStatus::Optimal || theirs.status != SolveStatus::Optimal) continue;
        ++compared;
        const double size = std::max(std::fabs(ours.objective), std::fabs(theirs.objective));
        if (std::fabs(ours.objective - theirs.objective) > 1e-6 * size) ++unequal;
      }
  std::sort(ratios.begin(), ratios.end());
  const bool holds = unequal == 0 && compared > 0;
  std::printf("peer: CBC on the arc-flow model, 20 to 60 layers, seeds 1 and 2 of each family\n");
  std::printf(
      "          %s: equal to 1e-6 where both prove within 60 s (%d of %d unequal); CPU time "
      "ours / CBC's: median %.4f\n",
      verdict(holds), unequal, compared, ratios[ratios.size() / 2]);
  std::fflush(stdout);
  return holds;
}

}  // namespace mpsearch::bench
