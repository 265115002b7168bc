#include "search/solver/sweeps.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include "tests/support/solver_random.h"

namespace mpsearch::solver {
namespace {

constexpr double kStop = 1e9;

/// A graph, a byte limit that some choices keep to, and prices at some events.
struct Case {
  testing::RandomProblem random;
  Problem problem;
  FrontierGraph graph;
  Task task;
  std::vector<int> rows;
  std::vector<double> multiplier;

  explicit Case(std::uint64_t seed) : random(seed, 7, 4), problem(random.draw()) {
    graph = *build_graph(problem, elimination_orders(problem, {}, Patience({})).front(), {},
                         1 << 20, Patience({}));
    (problem.objective == Objective::Ms ? task.goal.ms : task.goal.sensitivity) = 1;
    task.events = problem.events;
    task.bytes = std::numeric_limits<std::int64_t>::max() / 4;
    for (int e = 0; e < problem.events; ++e)
      if (random.chance(0.5)) rows.push_back(e);
  }

  std::vector<int> draw() {
    std::vector<int> choice;
    for (const ProblemLayer& layer : problem.layers)
      choice.push_back(random.between(0, static_cast<int>(layer.options.size()) - 1));
    return choice;
  }

  /// The nodes that a choice passes; empty when the graph forbids it.
  std::vector<int> nodes_of(const std::vector<int>& choice) const {
    std::vector<int> nodes = {0};
    for (const Step& step : graph.steps) {
      const int signature = step.nodes == 0 ? -1 : step.signature_of[choice[step.layer]];
      if (signature < 0) return {};
      nodes.push_back(
          step.to[static_cast<std::size_t>(nodes.back()) * step.signatures + signature]);
      if (nodes.back() < 0) return {};
    }
    return nodes;
  }

  /// Choices that the graph allows, the one of the least peak first.
  std::vector<std::vector<int>> choices(int draws) {
    std::vector<std::pair<std::int64_t, std::vector<int>>> all;
    for (int d = 0; d < draws; ++d) {
      const std::vector<int> choice = draw();
      if (nodes_of(choice).empty()) continue;
      const std::vector<std::int64_t> usage = path_of(graph, choice).usage;
      all.emplace_back(*std::max_element(usage.begin(), usage.end()), choice);
    }
    std::sort(all.begin(), all.end());
    std::vector<std::vector<int>> sorted;
    for (auto& [peak, choice] : all) sorted.push_back(std::move(choice));
    return sorted;
  }
};

/// Whatever the prices: no choice within the limit costs less than the bounds of its two parts.
TEST(Sweeps, BoundEveryChoiceWithinTheLimitWhereverItIsCut) {
  int checked = 0;
  int better = 0;
  std::vector<std::uint64_t> seeds(400);
  std::iota(seeds.begin(), seeds.end(), 1);
  seeds.push_back(4971);  // an event that labels from both ends put in one class with others
  for (const std::uint64_t seed : seeds) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Case c(seed);
    const std::vector<std::vector<int>> choices = c.choices(100);
    if (choices.empty() || c.rows.empty()) continue;
    const Path fitting = path_of(c.graph, choices[choices.size() / 3]);
    c.task.bytes = *std::max_element(fitting.usage.begin(), fitting.usage.end());
    for (std::size_t r = 0; r < c.rows.size(); ++r)
      c.multiplier.push_back(c.random.between(0, 400));

    View view;
    for (const Step& step : c.graph.steps) {
      for (const int signature : step.signature_of)
        view.allowed.push_back(static_cast<char>(signature >= 0));
      view.to.insert(view.to.end(), step.to.begin(), step.to.end());
    }
    const Offsets offsets(c.graph);
    const UsageClasses classes(c.graph);
    Dual dual(c.graph, offsets, c.task, Patience({}));
    dual.evaluate(c.rows, c.multiplier, view);
    dual.pricing().price_from_start(view);
    Pricing goal(c.graph, offsets);
    goal.price(c.task.goal, view);
    const double constant = dual.constant(c.rows, c.multiplier);
    const LabelTask task{c.graph,        offsets, classes,      c.task,   view, goal,
                         dual.pricing(), c.rows,  c.multiplier, constant, {}};
    const int kept = c.random.between(1, 2000);
    const Ways ways = Sweeps(c.graph).run(task, kStop, seed % 2 == 0 ? kept % 8 + 1 : kept);
    better += least_way(c.graph, offsets, ways) > dual.pricing().least() + 1e-6 ? 1 : 0;

    for (const std::vector<int>& choice : choices) {
      const Path path = path_of(c.graph, choice);
      if (*std::max_element(path.usage.begin(), path.usage.end()) > c.task.bytes) break;
      const std::vector<int> nodes = c.nodes_of(choice);
      for (std::size_t k = 0; k < nodes.size(); ++k) {
        const std::size_t at = static_cast<std::size_t>(offsets.node[k] + nodes[k]);
        ASSERT_LE(ways.from_start[at] + ways.to_end[at] - constant, c.task.goal_of(path) + 1e-6);
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 5000);
  EXPECT_GT(better, 100);
}

}  // namespace
}  // namespace mpsearch::solver
