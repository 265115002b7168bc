#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "search/solver/frontier_graph.h"
#include "search/solver/frontier_width.h"
#include "search/solver/order_walk.h"
#include "search/solver/segments.h"
#include "tests/bench/solver_instances.h"
#include "tests/bench/solver_instances_ops.h"
#include "tests/support/solver_random.h"

namespace mpsearch::solver {
namespace {

using bench::Family;

const std::vector<std::vector<Pick>> kNoneForbidden;

std::vector<int> natural(const Problem& problem) {
  std::vector<int> layers(problem.layers.size());
  std::iota(layers.begin(), layers.end(), 0);
  return layers;
}

Order order_of(const std::vector<int>& layers) {
  Order order{layers, std::vector<int>(layers.size())};
  for (std::size_t k = 0; k < layers.size(); ++k) order.position[layers[k]] = static_cast<int>(k);
  return order;
}

double nodes_of(const FrontierGraph& graph) {
  double nodes = 0;
  for (const Step& step : graph.steps) nodes += step.nodes;
  return nodes;
}

bool is_permutation_of(std::vector<int> layers, const std::vector<int>& of) {
  std::sort(layers.begin(), layers.end());
  return layers == of;
}

TEST(Elimination, CountedWidthsTellTheNodesOfTheGraph) {
  for (int family = 0; family < 3; ++family)
    for (std::uint64_t seed = 1; seed <= 2; ++seed)
      for (const bool forward : {true, false}) {
        SCOPED_TRACE("family " + std::to_string(family) + " seed " + std::to_string(seed) +
                     (forward ? " forward" : " backward"));
        const Problem problem =
            bench::draw_instance({static_cast<Family>(family), 40, false, false, seed});
        std::vector<int> layers = natural(problem);
        if (!forward) std::reverse(layers.begin(), layers.end());
        Ties ties(problem, kNoneForbidden);
        ties.count();
        const double promised = promised_nodes(ties, layers);
        const auto graph = build_graph(problem, order_of(layers), {}, 1 << 22, Patience({}));
        ASSERT_TRUE(graph.has_value());
        EXPECT_GE(promised, 0.9 * nodes_of(*graph));
        EXPECT_LE(promised, 2.5 * nodes_of(*graph));
      }
}

TEST(Elimination, RestoringTakesBackWhatEliminatingDid) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 8, 4);
    const Problem problem = random.draw();
    Ties ties(problem, kNoneForbidden);
    if (seed % 2 == 0) ties.count();
    Frontier frontier(ties);
    std::vector<int> done;
    for (int i = 0; i < 60; ++i) {
      const int layer = random.between(0, static_cast<int>(problem.layers.size()) - 1);
      const auto at = std::find(done.begin(), done.end(), layer);
      if (at == done.end()) {
        frontier.eliminate(layer);
        done.push_back(layer);
      } else {
        frontier.restore(layer);
        done.erase(at);
      }
      Frontier fresh(ties);
      for (const int other : done) fresh.eliminate(other);
      ASSERT_NEAR(frontier.bits(), fresh.bits(), 1e-9);
    }
  }
}

TEST(Elimination, EveryOrderHoldsEachLayerOnce) {
  const Problem problem = bench::draw_ops_instance({Family::UNet, 60, false, false, 2});
  const std::vector<int> layers = natural(problem);
  Ties ties(problem, kNoneForbidden);
  const Segments segments = segments_of(ties);
  EXPECT_GT(segments.size(), 10U);
  EXPECT_LT(segments.size(), 50U);
  for (std::size_t s = 0; s < segments.size(); ++s)
    EXPECT_TRUE(is_permutation_of(greedy_by_segments(ties, segments, static_cast<int>(s)), layers));
  for (const Order& order : elimination_orders(problem, {}, Patience({})))
    EXPECT_TRUE(is_permutation_of(order.layers, layers));
}

TEST(Elimination, AWalkPromisesNoMoreThanItsStart) {
  const Problem problem = bench::draw_ops_instance({Family::UNet, 60, false, false, 2});
  Ties ties(problem, kNoneForbidden);
  ties.count();
  const std::vector<int> layers = natural(problem);
  const Candidate start{layers, promised_nodes(ties, layers)};
  const Candidate found = anneal(ties, start, Patience({}));
  EXPECT_TRUE(is_permutation_of(found.layers, layers));
  EXPECT_EQ(found.nodes, promised_nodes(ties, found.layers));
  EXPECT_LT(found.nodes, 0.1 * start.nodes);
}

/// A tensor that `steps` layers read, each in the form of its option, at an event of its own and
/// again at the event of its backward: the last layer first.
Problem recurrent(int steps) {
  constexpr int kForms = 3;
  Problem problem;
  problem.events = 2 * steps + 2;
  problem.base.assign(problem.events, 0);
  problem.limits.bytes = 1'000'000;
  ProblemTensor weights;
  weights.name = "weights";
  for (int f = 0; f < kForms; ++f) weights.forms.push_back({"form" + std::to_string(f), 8 >> f});
  for (int from = 0; from < kForms; ++from)
    for (int to = 0; to < kForms; ++to)
      if (from != to) weights.casts.push_back({from, to, 0, 0.1});
  weights.written = GivenWrite{0, 0};
  problem.tensors.push_back(weights);
  for (int l = 0; l < steps; ++l) {
    ProblemLayer layer;
    layer.name = "step" + std::to_string(l);
    for (int f = 0; f < kForms; ++f) {
      ProblemOption option;
      option.name = "option" + std::to_string(f);
      option.reads.push_back({0, f, {1 + l, 2 * steps - l}});
      layer.options.push_back(option);
    }
    problem.layers.push_back(layer);
  }
  return problem;
}

TEST(Elimination, StepsThatShareWeightsAreTakenFromTheOneThatUsesThemLast) {
  const Problem problem = recurrent(30);
  std::vector<int> layers = natural(problem);
  Ties ties(problem, kNoneForbidden);
  const double forward = promised_nodes(ties, layers);
  std::reverse(layers.begin(), layers.end());
  const double backward = promised_nodes(ties, layers);
  EXPECT_LT(forward, 1'000);
  EXPECT_GT(backward, 50'000);
  const auto graph = build_graph(problem, elimination_orders(problem, {}, Patience({})).front(), {},
                                 10'000, Patience({}));
  ASSERT_TRUE(graph.has_value());
  EXPECT_LT(nodes_of(*graph), 1'000);
}

TEST(Elimination, SkipsAcrossBlocksKeepTheGraphNarrow) {
  // In its own order, or backwards, this graph has more than a thousand million arcs.
  const Problem problem = bench::draw_ops_instance({Family::UNet, 60, false, false, 2});
  const Order order = elimination_orders(problem, {}, Patience({})).front();
  EXPECT_TRUE(build_graph(problem, order, {}, 1'000'000, Patience({})).has_value());
}

}  // namespace
}  // namespace mpsearch::solver
