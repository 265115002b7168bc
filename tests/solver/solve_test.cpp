#include "search/solver/solve.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "search/solver/check.h"
#include "search/solver/engine.h"
#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch {

inline void PrintTo(Engine engine, std::ostream* out) {
  *out << (engine == Engine::Cbc ? "Cbc" : "Exact");
}

namespace {

struct Best {
  bool found = false;
  double objective = 0;
  double other = 0;
  std::int64_t least_peak = -1;  // under the other limits
};

std::vector<testing::ReferenceCost> all_costs(const Problem& problem) {
  std::vector<testing::ReferenceCost> costs;
  testing::for_each_choice(problem, [&](const std::vector<int>&, const testing::ReferenceCost& c) {
    costs.push_back(c);
  });
  return costs;
}

Best brute_force(const Problem& problem, const std::vector<testing::ReferenceCost>& costs) {
  Best best;
  Problem no_bytes = problem;
  no_bytes.limits.bytes = std::int64_t{1} << 60;
  const bool by_ms = problem.objective == Objective::Ms;
  const auto ties = [](double a, double b) { return std::fabs(a - b) <= 1e-9 * std::fabs(b); };
  for (const testing::ReferenceCost& c : costs) {
    if (testing::reference_within(no_bytes, c) && (best.least_peak < 0 || c.peak < best.least_peak))
      best.least_peak = c.peak;
    if (!testing::reference_within(problem, c)) continue;
    const double objective = by_ms ? c.ms : c.sensitivity;
    const double other = by_ms ? c.sensitivity : c.ms;
    if (best.found && !ties(objective, best.objective) && objective > best.objective) continue;
    if (best.found && ties(objective, best.objective) && other >= best.other) continue;
    best.found = true;
    best.objective = objective;
    best.other = other;
  }
  return best;
}

/// Sets the limits so that they bind about half of the time.
void tighten(Problem& problem, const std::vector<testing::ReferenceCost>& costs,
             testing::RandomProblem& random) {
  const auto by_peak = [](const auto& a, const auto& b) { return a.peak < b.peak; };
  const auto [least, most] = std::minmax_element(costs.begin(), costs.end(), by_peak);
  problem.limits.bytes = std::max<std::int64_t>(
      0, least->peak + (most->peak - least->peak) * random.between(-2, 30) / 100);
  std::vector<double> others;
  for (const testing::ReferenceCost& c : costs)
    others.push_back(problem.objective == Objective::Ms ? c.sensitivity : c.ms);
  std::sort(others.begin(), others.end());
  const std::size_t at = others.size() * static_cast<std::size_t>(random.between(2, 99)) / 100;
  (problem.objective == Objective::Ms ? problem.limits.sensitivity : problem.limits.ms) =
      others[at];
}

class AgainstBruteForce : public ::testing::TestWithParam<Engine> {};

TEST_P(AgainstBruteForce, EveryAnswerIsTheOptimumWithItsTieBroken) {
  int solved = 0;
  int infeasible = 0;
  int binding = 0;
  const int problems = GetParam() == Engine::Cbc ? 16 : 600;
  for (std::uint64_t seed = 1; solved < problems; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 8, 4);
    Problem problem = random.draw();
    double choices = 1;
    for (const ProblemLayer& layer : problem.layers)
      choices *= static_cast<double>(layer.options.size());
    if (choices > 2000) continue;
    const std::vector<testing::ReferenceCost> costs = all_costs(problem);
    if (costs.empty()) continue;
    tighten(problem, costs, random);
    ++solved;
    const Best best = brute_force(problem, costs);
    Problem loose = problem;
    loose.limits.bytes = std::int64_t{1} << 50;
    const Best unbound = brute_force(loose, costs);
    if (unbound.found && (!best.found || unbound.objective < best.objective)) ++binding;
    const Solution solution = solve(problem, {.engine = GetParam()});
    if (!best.found) {
      ++infeasible;
      ASSERT_EQ(solution.status, SolveStatus::Infeasible);
      continue;
    }
    ASSERT_EQ(solution.status, SolveStatus::Optimal);
    const Evaluation evaluation = evaluate(problem, solution.choice);
    ASSERT_EQ(violated_limit(problem, evaluation), "");
    const bool by_ms = problem.objective == Objective::Ms;
    ASSERT_NEAR(solution.objective, best.objective, 2e-9 * std::fabs(best.objective));
    ASSERT_NEAR(by_ms ? solution.sensitivity : solution.ms, best.other,
                1e-9 * std::fabs(best.other));
    ASSERT_LE(solution.bound, best.objective * (1 + 1e-9));
    ASSERT_EQ(solution.peak_bytes, evaluation.peak);
  }
  EXPECT_GE(binding, problems / 2);
  EXPECT_GE(infeasible, problems / 60);
}

TEST_P(AgainstBruteForce, TheLeastBudgetIsExact) {
  int solved = 0;
  const int problems = GetParam() == Engine::Cbc ? 8 : 200;
  for (std::uint64_t seed = 5000; solved < problems; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 5, 4);
    Problem problem = random.draw();
    const std::vector<testing::ReferenceCost> costs = all_costs(problem);
    if (costs.empty()) continue;
    tighten(problem, costs, random);
    ++solved;
    const Best best = brute_force(problem, costs);
    const LeastBudget least = least_budget(problem, {.engine = GetParam()});
    if (best.least_peak < 0) {
      ASSERT_EQ(least.status, SolveStatus::Infeasible);
      continue;
    }
    ASSERT_EQ(least.status, SolveStatus::Optimal);
    ASSERT_EQ(least.bytes, std::max<std::int64_t>(0, best.least_peak));
  }
}

TEST_P(AgainstBruteForce, AForbiddenCombinationIsNeverTaken) {
  int solved = 0;
  const int problems = GetParam() == Engine::Cbc ? 12 : 60;
  for (std::uint64_t seed = 9000; solved < problems; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 6, 3);
    Problem problem = random.draw();
    SolveOptions options{.engine = GetParam()};
    for (int round = 0; round < 3; ++round) {
      const Solution solution = solve(problem, options);
      if (solution.status != SolveStatus::Optimal || solution.choice.size() < 2) break;
      ++solved;
      const int last = static_cast<int>(solution.choice.size()) - 1;
      options.forbidden.push_back({{0, solution.choice[0]}, {last, solution.choice[last]}});
      const Solution next = solve(problem, options);
      double best = INFINITY;
      testing::for_each_choice(
          problem, [&](const std::vector<int>& choice, const testing::ReferenceCost& c) {
            for (const std::vector<Pick>& picks : options.forbidden)
              if (choice[picks[0].layer] == picks[0].option &&
                  choice[picks[1].layer] == picks[1].option)
                return;
            best = std::min(best, problem.objective == Objective::Ms ? c.ms : c.sensitivity);
          });
      ASSERT_EQ(next.status, std::isinf(best) ? SolveStatus::Infeasible : SolveStatus::Optimal);
      if (std::isinf(best)) break;
      ASSERT_NEAR(next.objective, best, 2e-9 * std::fabs(best));
    }
  }
}

TEST_P(AgainstBruteForce, LimitsThatAChoiceMeetsExactlyAreNoTrap) {
  const int problems = GetParam() == Engine::Cbc ? 5 : 120;
  int solved = 0;
  for (std::uint64_t seed = 200000; solved < problems; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 5, 4);
    Problem problem = random.draw();
    for (ProblemLayer& layer : problem.layers)
      for (ProblemOption& option : layer.options) option.ms *= random.chance(0.3) ? -1 : 1;
    const std::vector<testing::ReferenceCost> costs = all_costs(problem);
    if (costs.empty()) continue;
    ++solved;
    const auto any = [&] { return costs[random.between(0, static_cast<int>(costs.size()) - 1)]; };
    problem.limits.bytes = std::max<std::int64_t>(0, any().peak);
    problem.limits.ms = any().ms;
    problem.limits.sensitivity = any().sensitivity;
    const Best best = brute_force(problem, costs);
    const Solution solution = solve(problem, {.engine = GetParam()});
    ASSERT_EQ(solution.status, best.found ? SolveStatus::Optimal : SolveStatus::Infeasible);
    if (best.found) {
      ASSERT_NEAR(solution.objective, best.objective, 2e-9 * std::fabs(best.objective));
    }
  }
}

/// The flow through the frontier graph, the plain model and our engine, with budgets that bind.
TEST(Engines, AgreeOnTheOptimum) {
  int solved = 0;
  for (std::uint64_t seed = 300; solved < 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 8, 3);
    Problem problem = random.draw();
    const LeastBudget least = least_budget(problem);
    if (least.choice.empty() || problem.layers.size() < 6) continue;
    problem.limits.bytes = least.bytes + random.between(0, 30);
    ++solved;
    const Solution exact = solve(problem, {.engine = Engine::Exact});
    const Solution flow = solve(problem, {.engine = Engine::Cbc});
    ASSERT_EQ(exact.status, SolveStatus::Optimal);
    ASSERT_EQ(flow.status, SolveStatus::Optimal);
    EXPECT_EQ(flow.solver, "cbc");
    const double size = 1e-6 * std::fabs(exact.objective);
    EXPECT_NEAR(flow.objective, exact.objective, size);
    const SolveOptions options;
    const solver::Patience patience(options);
    const solver::Goal goal =
        problem.objective == Objective::Ms ? solver::Goal::Ms : solver::Goal::Sensitivity;
    const solver::Answer plain = solver::solve_with_cbc(problem, goal, options, patience, nullptr);
    ASSERT_EQ(plain.status, SolveStatus::Optimal);
    const Evaluation evaluation = evaluate(problem, plain.choice);
    EXPECT_NEAR(problem.objective == Objective::Ms ? evaluation.ms : evaluation.sensitivity,
                exact.objective, size);
  }
}

/// A hundred layers, thirty events about equally full: no single move lowers the peak.
TEST(LastResort, MeetsTheLimitWhereManyEventsAreEquallyFull) {
  std::mt19937 random(7);
  Problem problem;
  problem.objective = Objective::Ms;
  problem.limits.bytes = 50000;
  problem.events = 30;
  problem.base.assign(30, 0);
  for (int l = 0; l < 100; ++l) {
    ProblemLayer layer;
    for (int o = 0; o < 6; ++o) {
      ProblemOption option;
      option.ms = static_cast<double>(random() % 100000);
      for (int e = 0; e < 30; ++e)
        option.bytes.push_back({e, e, static_cast<std::int64_t>(random() % 1000)});
      layer.options.push_back(std::move(option));
    }
    problem.layers.push_back(std::move(layer));
  }
  const std::vector<int> choice = solver::search_locally(problem, {}, solver::Patience({}));
  ASSERT_FALSE(choice.empty());
  EXPECT_EQ(violated_limit(problem, evaluate(problem, choice)), "");
}

INSTANTIATE_TEST_SUITE_P(Engines, AgainstBruteForce, ::testing::Values(Engine::Exact, Engine::Cbc),
                         [](const auto& info) {
                           return info.param == Engine::Cbc ? "Cbc" : "Exact";
                         });

}  // namespace
}  // namespace mpsearch
