// What a search that was stopped early says of the optimum, and bounds where a second limit binds.
#include <cmath>

#include <gtest/gtest.h>

#include "search/solver/check.h"
#include "search/solver/solve.h"
#include "tests/bench/solver_instances.h"
#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch {
namespace {

struct Reference {
  double best = INFINITY;      // within all limits
  double one_free = INFINITY;  // without the second limit
};

Reference brute_force(const Problem& problem) {
  Reference out;
  Problem without = problem;
  without.limits.ms.reset();
  without.limits.sensitivity.reset();
  testing::for_each_choice(problem, [&](const std::vector<int>&, const testing::ReferenceCost& c) {
    const double cost = problem.objective == Objective::Ms ? c.ms : c.sensitivity;
    if (testing::reference_within(problem, c)) out.best = std::min(out.best, cost);
    if (testing::reference_within(without, c)) out.one_free = std::min(out.one_free, cost);
  });
  return out;
}

/// Bytes of one digit, a byte limit near the least, and a second limit among what choices cost.
Problem draw(std::uint64_t seed, int layers) {
  testing::RandomProblem random(seed, layers, 4);
  Problem problem = random.draw();
  for (ProblemTensor& tensor : problem.tensors)
    for (ProblemForm& form : tensor.forms) form.bytes %= 10;
  for (ProblemLayer& layer : problem.layers)
    for (ProblemOption& option : layer.options)
      for (ByteInterval& held : option.bytes) held.bytes %= 10;
  for (std::int64_t& bytes : problem.base) bytes %= 10;
  for (ProblemPair& pair : problem.pairs)
    for (PairTerm& term : pair.terms)
      for (ByteInterval& held : term.bytes) held.bytes %= 10;
  const LeastBudget least = least_budget(problem);
  if (least.choice.empty()) return problem;
  problem.limits.bytes = least.bytes + random.between(0, 6);
  const bool by_ms = problem.objective == Objective::Ms;
  double low = INFINITY;
  double high = 0;
  testing::for_each_choice(problem, [&](const std::vector<int>&, const testing::ReferenceCost& c) {
    if (!testing::reference_within(problem, c)) return;
    low = std::min(low, by_ms ? c.sensitivity : c.ms);
    high = std::max(high, by_ms ? c.sensitivity : c.ms);
  });
  if (std::isinf(low)) return problem;
  const double part = random.between(0, 50) / 100.0;
  (by_ms ? problem.limits.sensitivity : problem.limits.ms) = low + part * (high - low);
  return problem;
}

double choices_of(const Problem& problem) {
  double choices = 1;
  for (const ProblemLayer& layer : problem.layers)
    choices *= static_cast<double>(layer.options.size());
  return choices;
}

TEST(SecondLimit, ThatBindsBesideFewBytesKeepsTheBoundHonest) {
  int binding = 0;
  for (std::uint64_t seed = 40000; binding < 120; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = draw(seed, 7);
    if (choices_of(problem) > 3000) continue;
    const Reference reference = brute_force(problem);
    if (std::isinf(reference.best)) continue;
    binding += static_cast<int>(reference.one_free < reference.best * (1 - 1e-6));
    const Solution solution = solve(problem, {.engine = Engine::Exact, .certify = true});
    ASSERT_EQ(solution.status, SolveStatus::Optimal);
    ASSERT_NEAR(solution.objective, reference.best, 2e-9 * std::fabs(reference.best));
    ASSERT_TRUE(solution.certificate);
    ASSERT_LE(solution.certificate->bound, reference.best + 2e-9 * std::fabs(reference.best));
  }
}

/// Knapsacks with twelve limits at once: labels alone do not finish them within a node.
Problem draw_knapsacks(std::uint64_t seed) {
  testing::RandomProblem random(seed, 1, 1);
  Problem problem;
  problem.objective = random.chance(0.5) ? Objective::Ms : Objective::Sensitivity;
  problem.events = 12;
  problem.base.assign(problem.events, 0);
  problem.limits.bytes = 0;
  for (int l = 0; l < 18; ++l) {
    ProblemLayer& layer = problem.layers.emplace_back();
    std::int64_t most = 0;
    for (int o = 0; o < 4; ++o) {
      ProblemOption& option = layer.options.emplace_back();
      option.ms = random.between(1000, 9000) / 7919.0;
      option.sensitivity = random.between(1000, 9000) / 7907.0;
      for (int e = 0; e < problem.events; ++e) {
        option.bytes.push_back({e, e, random.between(0, 100000)});
        most = std::max(most, option.bytes.back().bytes);
      }
    }
    problem.limits.bytes += most;
  }
  problem.limits.bytes = problem.limits.bytes * random.between(47, 50) / 100;
  return problem;
}

/// The complete search, which other tests hold against brute force and CBC, gives the optimum.
TEST(EarlyStop, LeavesTheOptimumBetweenBoundAndObjective) {
  int unfinished = 0;
  for (std::uint64_t seed = 50001; seed < 50003; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = draw_knapsacks(seed);
    const Solution reference = solve(problem, {.engine = Engine::Exact});
    ASSERT_EQ(reference.status, SolveStatus::Optimal);
    const double slack = 2e-9 * std::fabs(reference.objective);
    for (const std::int64_t nodes : {1, 2, 5}) {
      const Solution solution = solve(problem, {.engine = Engine::Exact, .node_limit = nodes});
      ASSERT_NE(solution.status, SolveStatus::Infeasible);
      ASSERT_LE(solution.bound, reference.objective + slack);
      unfinished += static_cast<int>(solution.status != SolveStatus::Optimal);
      if (solution.choice.empty()) continue;
      ASSERT_GE(solution.objective, reference.objective - slack);
      ASSERT_EQ(violated_limit(problem, evaluate(problem, solution.choice)), "");
    }
  }
  EXPECT_GE(unfinished, 1);
}

/// Blocks of three layers that are all alike: many must save fewer bytes, which costs sensitivity,
/// and many must take the faster kernel, which costs nothing but bytes where there are some to
/// spare.
Problem alike(int layers) {
  constexpr double kHarm[] = {2.4, 0.25, 21};
  constexpr double kMs[] = {0.72, 0.05, 0.16};
  constexpr std::int64_t kSaved[] = {800, 1800, 2400};
  Problem problem;
  problem.objective = Objective::Sensitivity;
  problem.events = 2 * layers + 1;
  problem.base.assign(problem.events, 0);
  for (int l = 0; l < layers; ++l) {
    ProblemLayer& layer = problem.layers.emplace_back();
    const int kind = l % 3;
    for (const int part : {1, 2, 4})
      for (const double fast : {1.0, 0.9, 0.8}) {
        ProblemOption& option = layer.options.emplace_back();
        option.ms = fast * kMs[kind];
        option.sensitivity = part == 1 ? 0 : part == 2 ? kHarm[kind] : 8 * kHarm[kind];
        option.bytes.push_back({l, 2 * layers - l, kSaved[kind] / part});
        if (fast < 1)
          option.bytes.push_back({l, l, static_cast<std::int64_t>(kSaved[kind] / fast)});
      }
  }
  problem.limits.bytes = 1000 * layers;
  problem.limits.ms = 0.252 * layers;
  return problem;
}

TEST(EarlyStop, OnLayersThatAreAllAlikeIsNearTheBest) {
  for (const int layers : {90, 300}) {
    SCOPED_TRACE(layers);
    const Problem problem = alike(layers);
    const Solution solution = solve(problem, {.engine = Engine::Exact, .node_limit = 1});
    ASSERT_FALSE(solution.choice.empty());
    EXPECT_EQ(violated_limit(problem, evaluate(problem, solution.choice)), "");
    EXPECT_LE(solution.gap, 0.05);
  }
}

/// Hardly a choice keeps to the least budget: a search that meets none asks for the lightest.
TEST(EarlyStop, AtTheLeastBudgetThereIsAnAnswer) {
  Problem problem = bench::draw_instance({bench::Family::Transformer, 60, true, false, 2});
  const LeastBudget least = least_budget(problem, {.engine = Engine::Exact, .node_limit = 600});
  ASSERT_FALSE(least.choice.empty());
  problem.limits.bytes = least.bytes;
  const Solution solution = solve(problem, {.engine = Engine::Exact, .node_limit = 30});
  ASSERT_FALSE(solution.choice.empty());
  EXPECT_EQ(violated_limit(problem, evaluate(problem, solution.choice)), "");
}

/// A knapsack: the bytes saved over all events bind, while the faster kernels' bytes and the ms
/// that they spare are limited without a price, and yet differ from choice to choice.
Problem knapsack(std::uint64_t seed, int layers) {
  testing::RandomProblem random(seed, 1, 1);
  Problem problem;
  problem.objective = Objective::Sensitivity;
  problem.events = 2 * layers + 1;
  problem.base.assign(problem.events, 0);
  std::int64_t saved_by_all = 0;
  double ms_of_all = 0;
  for (int l = 0; l < layers; ++l) {
    ProblemLayer& layer = problem.layers.emplace_back();
    const std::int64_t saved = random.between(1000, 9000);
    const double harm = random.between(1000, 90000) / 7919.0;
    const double ms = random.between(1000, 9000) / 7907.0;
    saved_by_all += saved;
    ms_of_all += ms;
    for (const int part : {1, 2, 4})
      for (const double fast : {1.0, 0.83, 0.71}) {
        ProblemOption& option = layer.options.emplace_back();
        option.ms = ms * fast;
        option.sensitivity = part == 1 ? 0 : harm * part;
        option.bytes.push_back({l, 2 * layers - l, saved / part});
        if (fast < 1) option.bytes.push_back({l, l, saved});
      }
  }
  problem.limits.bytes = saved_by_all * 6 / 10;
  problem.limits.ms = 0.95 * ms_of_all;
  return problem;
}

TEST(Labels, ForgetLimitsWithoutAPriceAndStillFindTheOptimum) {
  for (const std::uint64_t seed : {60002, 60003, 60005}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = knapsack(seed, 10);
    const Solution solution = solve(problem, {.engine = Engine::Exact});
    const Solution reference = solve(problem, {.engine = Engine::Cbc});
    ASSERT_EQ(solution.status, SolveStatus::Optimal);
    ASSERT_EQ(reference.status, SolveStatus::Optimal);
    EXPECT_NEAR(solution.objective, reference.objective, 1e-6 * reference.objective);
    const Solution large = solve(knapsack(seed, 50), {.engine = Engine::Exact, .node_limit = 2});
    EXPECT_EQ(large.status, SolveStatus::Optimal);
  }
}

}  // namespace
}  // namespace mpsearch
