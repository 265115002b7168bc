// Branch and bound by several threads.
#include <gtest/gtest.h>
#include <sched.h>

#include "search/solver/side_by_side.h"
#include "search/solver/solve.h"
#include "tests/bench/solver_instances.h"
#include "tests/bench/solver_instances_ops.h"

namespace mpsearch {
namespace {

Problem hard_problem() {
  return bench::draw_ops_instance({bench::Family::Transformer, 20, false, false, 11});
}

Solution solved(const Problem& problem) {
  SolveOptions options;
  options.certify = true;
  return solve(problem, options);
}

/// The same by one thread.
Solution solved_alone(const Problem& problem) {
  cpu_set_t all;
  EXPECT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  EXPECT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(solver::cores(), 1);
  Solution solution = solved(problem);
  EXPECT_EQ(sched_setaffinity(0, sizeof all, &all), 0);
  return solution;
}

void expect_same(const Solution& a, const Solution& b) {
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.choice, b.choice);
  EXPECT_EQ(a.objective, b.objective);
  EXPECT_EQ(a.bound, b.bound);
  EXPECT_EQ(a.nodes, b.nodes);
  ASSERT_TRUE(a.certificate && b.certificate);
  EXPECT_EQ(a.certificate->bound, b.certificate->bound);
}

TEST(BranchAndBound, FindsTheSameOnAnyNumberOfThreads) {
  const Problem problem = hard_problem();
  const Solution alone = solved_alone(problem);
  EXPECT_EQ(alone.status, SolveStatus::Optimal);
  EXPECT_GT(alone.nodes, 20);  // with those that break ties
  expect_same(alone, solved(problem));
}

TEST(SideBySide, DoesEachPieceOnceAndHandsOnTheFirstException) {
  std::vector<int> done(100, 0);
  solver::side_by_side(done.size(), [&](std::size_t i) { ++done[i]; });
  EXPECT_EQ(done, std::vector<int>(100, 1));
  const auto thrower = [](std::size_t i) {
    if (i % 2 == 1) throw std::runtime_error(std::to_string(i));
  };
  try {
    solver::side_by_side(8, thrower);
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "1");
  }
}

}  // namespace
}  // namespace mpsearch
