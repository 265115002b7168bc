#include "search/explain.h"

#include <gtest/gtest.h>

#include "search/solver/solve.h"

namespace mpsearch {
namespace {

/// Three layers in a row, FP32 or BF16 each; the outer two are FP32 only. BF16 is faster in the
/// middle, but its input and output must then be cast.
Profiled sandwich(double cast_ms, std::int64_t cast_bytes) {
  Profiled profiled;
  Problem& problem = profiled.built.problem;
  problem.events = 3;
  problem.base = {0, 0, 0};
  for (const char* name : {"x", "y"}) {
    ProblemTensor tensor{name, {{"F32", 40}, {"BF16", cast_bytes}}, {}, {}};
    const int event = name[0] == 'x' ? 0 : 2;
    tensor.casts = {{0, 1, event, cast_ms}, {1, 0, event, cast_ms}};
    problem.tensors.push_back(tensor);
  }
  const ProblemOption full{"FP32", 2, 0, {}, {}, {}};
  problem.layers = {{"first", {full}}, {"middle", {full, full}}, {"last", {full}}};
  problem.layers[0].options[0].writes = {{0, 0, {0}}};
  for (int form : {0, 1}) {
    ProblemOption& option = problem.layers[1].options[static_cast<std::size_t>(form)];
    option.reads = {{0, form, {1}}};
    option.writes = {{1, form, {1}}};
  }
  problem.layers[1].options[1].ms = 1;
  problem.layers[1].options[1].sensitivity = 0.5;
  problem.layers[2].options[0].reads = {{1, 0, {2}}};
  profiled.built.decision = {0, 1, 2};
  profiled.built.options = {
      {Precision::FP32}, {Precision::FP32, Precision::BF16}, {Precision::FP32}};
  profiled.exclusions[{0, Precision::BF16}] = "no kernel for Conv on this device";
  profiled.exclusions[{2, Precision::BF16}] = "pinned to FP32";
  return profiled;
}

Plan explained(const Profiled& profiled, const Problem& problem) {
  const Solution solution = solve(problem);
  Plan plan;
  for (std::size_t i = 0; i < solution.choice.size(); ++i) {
    PlannedLayer layer;
    layer.precision = profiled.built.options[i][static_cast<std::size_t>(solution.choice[i])];
    plan.layers.push_back(layer);
  }
  explain_choices(profiled, problem, solution.choice, plan);
  return plan;
}

TEST(Explain, CastsThatEatTheGainAreNamed) {
  const Profiled profiled = sandwich(0.75, 20);
  Problem problem = profiled.built.problem;
  problem.objective = Objective::Ms;
  problem.limits.bytes = 1000;
  const Plan plan = explained(profiled, problem);
  EXPECT_EQ(plan.layers[1].precision, Precision::FP32);
  EXPECT_EQ(plan.layers[1].reason,
            "cast cost: BF16 would save 1 ms here and pay 1.5 ms more for casts");
  EXPECT_EQ(plan.layers[1].runner_up, (RunnerUp{Precision::BF16, 0.5}));
  EXPECT_EQ(plan.layers[0].reason, "BF16: no kernel for Conv on this device");
  EXPECT_EQ(plan.layers[2].reason, "pinned to FP32");
  EXPECT_FALSE(plan.layers[0].runner_up);
}

TEST(Explain, CheapCastsLetTheFasterPrecisionWin) {
  const Profiled profiled = sandwich(0.25, 20);
  Problem problem = profiled.built.problem;
  problem.objective = Objective::Ms;
  problem.limits.bytes = 1000;
  const Plan plan = explained(profiled, problem);
  EXPECT_EQ(plan.layers[1].precision, Precision::BF16);
  EXPECT_EQ(plan.layers[1].reason, "best: FP32 would cost +0.5 ms");
  EXPECT_EQ(plan.layers[1].runner_up, (RunnerUp{Precision::FP32, 0.5}));
}

TEST(Explain, CopiesOfCastsThatBreakTheBudgetAreNamed) {
  const Profiled profiled = sandwich(0.25, 60);
  Problem problem = profiled.built.problem;
  problem.objective = Objective::Ms;
  problem.limits.bytes = 100;  // BF16 holds both: 120
  const Plan plan = explained(profiled, problem);
  EXPECT_EQ(plan.layers[1].precision, Precision::FP32);
  EXPECT_EQ(plan.layers[1].reason,
            "BF16 would exceed the budget by 20 B: casts hold 60 B of its peak");
}

TEST(Explain, SensitivityAndTheBudgetDecide) {
  const Profiled profiled = sandwich(0.25, 20);
  Problem problem = profiled.built.problem;
  problem.limits.bytes = 1000;
  Plan plan = explained(profiled, problem);
  EXPECT_EQ(plan.layers[1].reason, "best: BF16 would cost +5.00e-01 sensitivity and save 0.5 ms");
  problem.limits.bytes = 60;  // FP32 holds x and y: 80
  plan = explained(profiled, problem);
  EXPECT_EQ(plan.layers[1].precision, Precision::BF16);
  EXPECT_EQ(plan.layers[1].reason, "FP32 would exceed the budget by 20 B");
}

}  // namespace
}  // namespace mpsearch
