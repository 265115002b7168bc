// Long problems in which several limits bind at once, against an optimum that is known: layers of
// one group hold bytes at an event of their own, so each group is a knapsack by itself, solved here
// by dynamic programming over bytes.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "search/solver/solve.h"

namespace mpsearch {
namespace {

constexpr int kGroups = 4;
constexpr std::int64_t kLimit = 2000;

/// Layers of 4 options that save bytes at a cost. Every event has room for about half of what its
/// group could hold.
Problem side_by_side(std::uint64_t seed, int layers) {
  std::mt19937_64 random(seed);
  const auto between = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  Problem problem;
  problem.objective = Objective::Sensitivity;
  problem.events = kGroups;
  problem.limits.bytes = kLimit;
  std::vector<std::int64_t> most(kGroups, 0);
  for (int l = 0; l < layers; ++l) {
    ProblemLayer& layer = problem.layers.emplace_back();
    const int event = l % kGroups;
    const int full = between(20, 60);
    for (int o = 0; o < 4; ++o) {
      ProblemOption& option = layer.options.emplace_back();
      option.ms = 1;
      option.sensitivity = o * o * between(50, 150) / 97.0;
      option.bytes.push_back({event, event, full * (4 - o) / 4 + between(0, 3)});
    }
    most[static_cast<std::size_t>(event)] += full;
  }
  for (const std::int64_t bytes : most)
    problem.base.push_back(kLimit - bytes * between(45, 65) / 100);
  return problem;
}

/// Least cost of one group's layers within the bytes that its event has left.
double knapsack_optimum(const Problem& problem, int group) {
  const auto room =
      static_cast<std::size_t>(kLimit - problem.base[static_cast<std::size_t>(group)]);
  std::vector<double> best(room + 1, 0.0);
  for (std::size_t l = static_cast<std::size_t>(group); l < problem.layers.size(); l += kGroups) {
    std::vector<double> next(room + 1, INFINITY);
    for (const ProblemOption& option : problem.layers[l].options) {
      const auto bytes = static_cast<std::size_t>(option.bytes[0].bytes);
      for (std::size_t used = bytes; used <= room; ++used)
        next[used] = std::min(next[used], best[used - bytes] + option.sensitivity);
    }
    best = std::move(next);
  }
  return best[room];
}

TEST(ManyLimits, ThatBindAtOnceAreSolvedToTheKnownOptimum) {
  for (const int layers : {40, 100}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      SCOPED_TRACE("layers " + std::to_string(layers) + ", seed " + std::to_string(seed));
      const Problem problem = side_by_side(seed, layers);
      double optimum = 0;
      for (int group = 0; group < kGroups; ++group) optimum += knapsack_optimum(problem, group);
      const Solution solution = solve(problem, {.engine = Engine::Exact});
      ASSERT_EQ(solution.status, SolveStatus::Optimal);
      EXPECT_NEAR(solution.objective, optimum, 1e-9 * optimum);
    }
  }
}

}  // namespace
}  // namespace mpsearch
