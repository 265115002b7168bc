#include "search/solver/frontier_graph.h"

#include <gtest/gtest.h>

#include "search/solver/check.h"
#include "search/solver/paths.h"
#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch::solver {
namespace {

/// Whether every arc of the choice exists.
bool allows(const FrontierGraph& graph, const std::vector<int>& choice) {
  int node = 0;
  for (const Step& step : graph.steps) {
    if (step.nodes == 0 || step.signature_of[choice[step.layer]] < 0) return false;
    node = step.to[static_cast<std::size_t>(node) * step.signatures +
                   step.signature_of[choice[step.layer]]];
    if (node < 0) return false;
  }
  return true;
}

TEST(FrontierGraph, EveryPathCostsWhatItsChoiceCostsInEveryOrder) {
  int allowed = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 7, 4);
    const Problem problem = random.draw();
    const std::vector<std::vector<Pick>> forbidden = {{{0, 0}}};
    const auto orders = elimination_orders(problem, forbidden);
    const Order& order = orders[random.between(0, static_cast<int>(orders.size()) - 1)];
    const auto graph = build_graph(problem, order, forbidden, 1 << 20, Patience({}));
    ASSERT_TRUE(graph.has_value());
    for (int draw = 0; draw < 30; ++draw) {
      std::vector<int> choice;
      for (const ProblemLayer& layer : problem.layers)
        choice.push_back(random.between(0, static_cast<int>(layer.options.size()) - 1));
      const Evaluation evaluation = evaluate(problem, choice);
      ASSERT_EQ(allows(*graph, choice), evaluation.allowed && choice[0] != 0);
      if (!evaluation.allowed || choice[0] == 0) continue;
      ++allowed;
      const Path path = path_of(*graph, choice);
      ASSERT_EQ(path.usage, evaluation.bytes);
      ASSERT_NEAR(path.ms, evaluation.ms, 1e-10);
      ASSERT_NEAR(path.sensitivity, evaluation.sensitivity, 1e-10);
    }
  }
  EXPECT_GT(allowed, 1000);
}

}  // namespace
}  // namespace mpsearch::solver
