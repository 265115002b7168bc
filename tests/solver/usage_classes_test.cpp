#include "search/solver/usage_classes.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "search/solver/paths.h"
#include "tests/support/solver_random.h"

namespace mpsearch::solver {
namespace {

/// The values of the classes of one choice, layer by layer; empty when the graph forbids it.
std::vector<std::vector<double>> values_of(const FrontierGraph& graph, const UsageClasses& classes,
                                           const std::vector<int>& choice) {
  std::vector<std::vector<double>> values = {{0}};
  int node = 0;
  for (std::size_t k = 0; k < graph.steps.size(); ++k) {
    const Step& step = graph.steps[k];
    const ClassStep& shape = classes.steps[k];
    const int option = choice[step.layer];
    const int signature = step.nodes == 0 ? -1 : step.signature_of[option];
    if (signature < 0) return {};
    const int cell = step.row_of[node] * step.signatures + signature;
    std::vector<double> next;
    for (int c = 0; c < classes.boundaries[k + 1].classes; ++c) {
      double most = -1e300;
      for (int t = shape.first_term[c]; t < shape.first_term[c + 1]; ++t) {
        const ClassTerm& term = shape.terms[t];
        most = std::max(most, values.back()[term.from] + term.base +
                                  shape.own[option * shape.segments + term.segment] +
                                  shape.cell[cell * shape.segments + term.segment]);
      }
      next.push_back(most);
    }
    values.push_back(next);
    node = step.to[static_cast<std::size_t>(node) * step.signatures + signature];
    if (node < 0) return {};
  }
  return values;
}

TEST(UsageClasses, TheLastValueIsThePeakAndWhatIsAheadIsBracketed) {
  int allowed = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed, 7, 4);
    const Problem problem = random.draw();
    const auto graph = build_graph(problem, elimination_orders(problem, {}, Patience({})).front(),
                                   {}, 1 << 20, Patience({}));
    ASSERT_TRUE(graph.has_value());
    const UsageClasses classes(*graph);
    for (int draw = 0; draw < 30; ++draw) {
      std::vector<int> choice;
      for (const ProblemLayer& layer : problem.layers)
        choice.push_back(random.between(0, static_cast<int>(layer.options.size()) - 1));
      const auto values = values_of(*graph, classes, choice);
      if (values.empty()) continue;
      ++allowed;
      const Path path = path_of(*graph, choice);
      const ClassBoundary& last = classes.boundaries.back();
      ASSERT_EQ(last.classes, 1);
      const double peak =
          static_cast<double>(*std::max_element(path.usage.begin(), path.usage.end()));
      // Not based: no layer changes anything, and the one value holds at every event.
      ASSERT_EQ(values.back()[0] + last.least_ahead[0], peak);
      for (std::size_t k = 0; k < values.size(); ++k)
        for (int c = 0; c < classes.boundaries[k].classes; ++c) {
          double worst = -1e300;  // what the events of the class come to in the end
          for (int e = 0; e < problem.events; ++e)
            if (classes.boundaries[k].run_of(e).index == c)
              worst = std::max(worst, static_cast<double>(path.usage[e]));
          ASSERT_LE(values[k][c] + classes.boundaries[k].least_ahead[c], worst);
          ASSERT_GE(values[k][c] + classes.boundaries[k].most_ahead[c], worst);
        }
    }
  }
  EXPECT_GT(allowed, 1000);
}

}  // namespace
}  // namespace mpsearch::solver
