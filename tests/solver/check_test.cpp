#include "search/solver/check.h"

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch {
namespace {

TEST(Checker, AgreesWithTheSemanticsWrittenEventByEvent) {
  int forbidden = 0;
  int choices = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    testing::RandomProblem random(seed);
    const Problem problem = random.draw();
    validate(problem);
    for (int draw = 0; draw < 20; ++draw) {
      std::vector<int> choice;
      for (const ProblemLayer& layer : problem.layers)
        choice.push_back(random.between(0, static_cast<int>(layer.options.size()) - 1));
      const Evaluation evaluation = evaluate(problem, choice);
      const testing::ReferenceCost reference = testing::reference_cost(problem, choice);
      ASSERT_EQ(evaluation.allowed, reference.allowed) << "seed " << seed;
      ++choices;
      forbidden += evaluation.allowed ? 0 : 1;
      if (!evaluation.allowed) continue;
      ASSERT_EQ(evaluation.peak, reference.peak) << "seed " << seed;
      ASSERT_NEAR(evaluation.ms, reference.ms, 1e-12 * (1 + reference.ms)) << "seed " << seed;
      ASSERT_NEAR(evaluation.sensitivity, reference.sensitivity, 1e-12 * (1 + reference.ms));
    }
  }
  EXPECT_GT(forbidden, choices / 20);
  EXPECT_LT(forbidden, choices * 9 / 10);
}

/// One tensor of 100 bytes in F32 and 50 in BF16, written at event 1, cast at event 2.
Problem one_tensor(std::vector<int> writes, std::vector<TensorAccess> reads) {
  Problem problem;
  problem.limits.bytes = 1000;
  problem.events = 10;
  problem.base.assign(10, 0);
  problem.tensors.push_back({"t", {{"F32", 100}, {"BF16", 50}}, {}, {{0, 1, 2, 0.5}}});
  problem.layers.push_back({"writer", {{"only", 1, 0, {}, {{0, 0, std::move(writes)}}, {}}}});
  problem.layers.push_back({"reader", {{"only", 1, 0, {}, {}, std::move(reads)}}});
  validate(problem);
  return problem;
}

TEST(Checker, LetsTheWrittenCopyGoOnceOnlyTheCastNeededIt) {
  const Evaluation evaluation = evaluate(one_tensor({1}, {{0, 1, {4, 6}}}), std::vector{0, 0});
  EXPECT_EQ(evaluation.bytes, (std::vector<std::int64_t>{0, 100, 150, 50, 50, 50, 50, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(evaluation.ms, 2.5);
}

TEST(Checker, HoldsNothingBetweenTheLastUseAndARewriteAndPaysTheCastAgain) {
  const Evaluation evaluation =
      evaluate(one_tensor({1, 6}, {{0, 1, {3, 8}}, {0, 0, {7}}}), std::vector{0, 0});
  EXPECT_EQ(evaluation.bytes, (std::vector<std::int64_t>{0, 100, 150, 50, 0, 0, 150, 150, 50, 0}));
  EXPECT_DOUBLE_EQ(evaluation.ms, 3.0);
}

TEST(Checker, NamesTheCastThatDoesNotExist) {
  Problem problem = one_tensor({1}, {{0, 1, {4}}});
  problem.tensors[0].casts.clear();
  const Evaluation evaluation = evaluate(problem, std::vector{0, 0});
  EXPECT_FALSE(evaluation.allowed);
  EXPECT_EQ(violated_limit(problem, evaluation),
            "tensor 0 (t) is written as F32 and used as BF16: no such cast");
}

TEST(Checker, LimitsHoldWithinOnePartInAThousandMillion) {
  EXPECT_TRUE(within_limit(1.0 + 0.9e-9, 1.0));
  EXPECT_FALSE(within_limit(1.0 + 1.1e-9, 1.0));
  Problem problem = one_tensor({1}, {{0, 1, {4}}});
  problem.limits.bytes = 149;
  EXPECT_EQ(violated_limit(problem, evaluate(problem, std::vector{0, 0})),
            "150 bytes at event 2 exceed the limit of 149");
}

TEST(Checker, RefusesAChoiceOfAnotherProblem) {
  const Problem problem = one_tensor({1}, {});
  EXPECT_THROW(evaluate(problem, std::vector{0}), Error);
  EXPECT_THROW(evaluate(problem, std::vector{0, 1}), Error);
}

}  // namespace
}  // namespace mpsearch
