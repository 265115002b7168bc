// An engine's own process: what comes back of it, and what the caller gets when it dies.
#include "search/solver/child.h"

#include <cstdlib>
#include <new>

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include "kernels/error.h"
#include "search/solver/check.h"
#include "tests/support/solver_random.h"

namespace mpsearch {
namespace {

using solver::Answer;
using solver::answer_of_child;
using solver::Patience;
using Flag = std::atomic<bool>;

TEST(Child, HandsTheWholeAnswerBack) {
  const std::vector<int> choice(100'000, 7);  // more than a pipe holds
  const Answer answer = answer_of_child(
      [&](const Flag&) {
        return Answer{SolveStatus::Feasible, choice, 2.5, 11, true};
      },
      Patience({}));
  EXPECT_EQ(answer.status, SolveStatus::Feasible);
  EXPECT_EQ(answer.choice, choice);
  EXPECT_EQ(answer.bound, 2.5);
  EXPECT_EQ(answer.nodes, 11);
  EXPECT_TRUE(answer.interrupted);
  EXPECT_EQ(answer.failure, "");
}

TEST(Child, ThatAbortsIsAnAnswerThatSaysSo) {
  const Answer answer = answer_of_child([](const Flag&) -> Answer { std::abort(); }, Patience({}));
  EXPECT_EQ(answer.status, SolveStatus::Unknown);
  EXPECT_NE(answer.failure.find("Aborted"), std::string::npos) << answer.failure;
}

TEST(Child, ThatRunsOutOfMemoryThrowsHere) {
  EXPECT_THROW(answer_of_child([](const Flag&) -> Answer { throw std::bad_alloc(); }, Patience({})),
               std::bad_alloc);
}

TEST(Child, ThatDoesNotStopIsEnded) {
  const Answer answer = answer_of_child(
      [](const Flag&) -> Answer {
        while (true) usleep(1000);
      },
      Patience({.time_limit = 0.05}));
  EXPECT_EQ(answer.status, SolveStatus::Unknown);
  EXPECT_TRUE(answer.choice.empty());
  EXPECT_EQ(answer.failure, "");
  EXPECT_LT(answer.bound, 0);
}

TEST(Child, IsToldToStop) {
  const Flag stop{true};
  const Answer answer = answer_of_child(
      [](const Flag& told) {
        while (!told) usleep(1000);
        Answer told_so;
        told_so.status = SolveStatus::Feasible;
        return told_so;
      },
      Patience({.stop = &stop}));
  EXPECT_EQ(answer.status, SolveStatus::Feasible);
}

bool children_abort = false;

/// While it lives, the processes that this one starts abort.
class AbortingChildren {
 public:
  AbortingChildren() {
    static const int registered = pthread_atfork(nullptr, nullptr, [] {
      if (children_abort) std::abort();
    });
    EXPECT_EQ(registered, 0);
    children_abort = true;
  }
  ~AbortingChildren() { children_abort = false; }
  AbortingChildren(const AbortingChildren&) = delete;
  AbortingChildren& operator=(const AbortingChildren&) = delete;
};

/// Twelve limits at once, so that CBC has to branch; `percent` of what the layers could hold fits.
Problem knapsacks(std::int64_t percent) {
  testing::RandomProblem random(70001, 1, 1);
  Problem problem;
  problem.events = 12;
  problem.base.assign(12, 0);
  std::int64_t most = 0;
  for (int l = 0; l < 18; ++l) {
    ProblemLayer& layer = problem.layers.emplace_back();
    for (int o = 0; o < 4; ++o) {
      ProblemOption& option = layer.options.emplace_back();
      option.ms = random.between(1000, 9000) / 7919.0;
      option.sensitivity = random.between(1000, 9000) / 7907.0;
      for (int e = 0; e < problem.events; ++e)
        option.bytes.push_back({e, e, random.between(1000, 100000)});
    }
    most += 100000;
  }
  problem.limits.bytes = most * percent / 100;
  return problem;
}

TEST(Cbc, ThatAbortsLeavesAWeakerAnswerThatSaysSo) {
  const Problem problem = knapsacks(60);
  const Solution reference = solve(problem, {.engine = Engine::Exact});
  ASSERT_EQ(reference.status, SolveStatus::Optimal);
  const AbortingChildren aborting;
  const Solution solution = solve(problem, {.engine = Engine::Cbc});
  EXPECT_EQ(solution.status, SolveStatus::Feasible);
  EXPECT_NE(solution.failure.find("Aborted"), std::string::npos) << solution.failure;
  EXPECT_EQ(violated_limit(problem, evaluate(problem, solution.choice)), "");
  EXPECT_LE(solution.bound, reference.objective);
}

TEST(Cbc, ThatAbortsBeforeAnyChoiceIsFoundIsAnError) {
  const Problem problem = knapsacks(1);
  ASSERT_EQ(solve(problem, {.engine = Engine::Exact}).status, SolveStatus::Infeasible);
  const AbortingChildren aborting;
  EXPECT_THROW(least_budget(problem, {.engine = Engine::Cbc}), Error);
}

}  // namespace
}  // namespace mpsearch
