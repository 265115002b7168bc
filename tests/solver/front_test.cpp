#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "search/solver/check.h"
#include "search/solver/solve.h"
#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch {
namespace {

double objective_of(const Problem& problem, double ms, double sensitivity) {
  return problem.objective == Objective::Ms ? ms : sensitivity;
}

/// Byte limits below, between and above the peaks of all choices; in an order of no meaning.
std::vector<std::int64_t> budgets_of(const Problem& problem, testing::RandomProblem& random) {
  std::vector<std::int64_t> peaks;
  testing::for_each_choice(problem, [&](const std::vector<int>&, const testing::ReferenceCost& c) {
    peaks.push_back(c.peak);
  });
  std::vector<std::int64_t> budgets;
  if (peaks.empty()) return budgets;
  const auto [least, most] = std::minmax_element(peaks.begin(), peaks.end());
  for (int i = 0; i < 8; ++i)
    budgets.push_back(
        std::max<std::int64_t>(0, *least + (*most - *least) * random.between(-20, 110) / 100));
  budgets.push_back(std::max<std::int64_t>(0, *least));
  return budgets;
}

TEST(Front, EveryPointIsTheLeastOfAllChoicesWithinItsBudget) {
  int points = 0;
  int infeasible = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed + 40000, 6, 4);
    Problem problem = random.draw();
    const std::vector<std::int64_t> budgets = budgets_of(problem, random);
    const std::vector<Solution> front = solve_front(problem, budgets);
    ASSERT_EQ(front.size(), budgets.size());
    for (std::size_t i = 0; i < budgets.size(); ++i) {
      problem.limits.bytes = budgets[i];
      double best = INFINITY;
      testing::for_each_choice(
          problem, [&](const std::vector<int>&, const testing::ReferenceCost& c) {
            if (testing::reference_within(problem, c))
              best = std::min(best, objective_of(problem, c.ms, c.sensitivity));
          });
      ++points;
      if (std::isinf(best)) {
        ++infeasible;
        ASSERT_EQ(front[i].status, SolveStatus::Infeasible);
        continue;
      }
      ASSERT_EQ(front[i].status, SolveStatus::Optimal);
      ASSERT_NEAR(front[i].objective, best, 2e-9 * std::fabs(best));
      ASSERT_EQ(violated_limit(problem, evaluate(problem, front[i].choice)), "");
    }
  }
  EXPECT_GE(points - infeasible, 600);
  EXPECT_GE(infeasible, 20);
}

TEST(Front, APointIsWhatSolvingAloneAnswers) {
  int points = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed + 50000, 7, 4);
    Problem problem = random.draw();
    const std::vector<std::int64_t> budgets = budgets_of(problem, random);
    const std::vector<Solution> front = solve_front(problem, budgets, {.certify = true});
    for (std::size_t i = 0; i < budgets.size(); ++i) {
      problem.limits.bytes = budgets[i];
      const Solution alone = solve(problem, {.certify = true});
      ASSERT_EQ(front[i].status, alone.status);
      ASSERT_EQ(front[i].choice, alone.choice);
      ASSERT_EQ(front[i].objective, alone.objective);
      ASSERT_EQ(front[i].bound, alone.bound);
      ASSERT_EQ(front[i].peak_bytes, alone.peak_bytes);
      ASSERT_EQ(front[i].certificate.has_value(), alone.certificate.has_value());
      if (!alone.certificate) continue;
      ++points;
      ASSERT_EQ(front[i].certificate->bound, alone.certificate->bound);
      ASSERT_EQ(front[i].certificate->events.size(), alone.certificate->events.size());
    }
  }
  EXPECT_GE(points, 300);
}

TEST(Front, ANegativeBudgetIsAnError) {
  testing::RandomProblem random(1, 4, 3);
  Front front(random.draw());
  EXPECT_THROW(front.at(-1), Error);
}

}  // namespace
}  // namespace mpsearch
