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
    const auto orders = elimination_orders(problem, forbidden, Patience({}));
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

/// Each option with one chance in two, one of each layer at least.
std::vector<char> some_options(const FrontierGraph& graph, testing::RandomProblem& random) {
  std::vector<char> allowed(graph.options, 0);
  for (const Step& step : graph.steps) {
    const int last = static_cast<int>(step.own.size()) - 1;
    for (int o = 0; o <= last; ++o)
      allowed[step.first_option + o] =
          static_cast<char>(step.signature_of[o] >= 0 && random.between(0, 1) == 1);
    const int one = random.between(0, last);
    if (step.signature_of[one] >= 0) allowed[step.first_option + one] = 1;
  }
  return allowed;
}

TEST(FrontierGraph, ContractedItHoldsTheChoicesThatAreLeftAtTheirCosts) {
  int held = 0;
  int lost = 0;
  int settled = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 7, 4);
    const Problem problem = random.draw();
    const auto whole = build_graph(problem, elimination_orders(problem, {}, Patience({})).front(),
                                   {}, 1 << 20, Patience({}));
    ASSERT_TRUE(whole.has_value());
    FrontierGraph graph = *whole;
    const std::vector<char> allowed = some_options(graph, random);
    std::vector<char> left = allowed;
    contract(graph, left);
    for (int draw = 0; draw < 200; ++draw) {
      std::vector<int> choice(problem.layers.size());
      bool within = true;
      for (const Step& step : whole->steps) {
        choice[step.layer] = random.between(0, static_cast<int>(step.own.size()) - 1);
        within = within && allowed[step.first_option + choice[step.layer]] != 0;
      }
      within = within && allows(*whole, choice);
      bool known = allows(graph, choice);
      for (std::size_t l = 0; l < choice.size(); ++l)
        known = known && (graph.settled[l] < 0 || graph.settled[l] == choice[l]);
      ASSERT_EQ(known, within);
      within ? ++held : ++lost;
      if (!within) continue;
      const Path path = path_of(graph, choice);
      const Path same = path_of(*whole, choice);
      ASSERT_NEAR(path.ms, same.ms, 1e-10);
      ASSERT_NEAR(path.sensitivity, same.sensitivity, 1e-10);
      for (std::size_t e = 0; e < graph.events.size(); ++e) {
        ASSERT_EQ(path.usage[e], same.usage[graph.events[e].fullest]);
        const std::size_t end =
            e + 1 < graph.events.size() ? graph.events[e + 1].first : same.usage.size();
        for (std::size_t other = graph.events[e].first; other < end; ++other)
          ASSERT_LE(same.usage[other], path.usage[e]);
      }
    }
    settled += static_cast<int>(whole->steps.size() - graph.steps.size());
  }
  EXPECT_GT(held, 1000);
  EXPECT_GT(lost, 1000);
  EXPECT_GT(settled, 200);
}

}  // namespace
}  // namespace mpsearch::solver
