#include "search/problem_builder.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "models/lower.h"
#include "models/op.h"
#include "runtime/null/null_backend.h"
#include "runtime/prepared.h"
#include "search/solver/check.h"
#include "tests/support/small_nets.h"

namespace mpsearch {
namespace {

/// A timing for every call that can occur: a number that differs from key to key.
SpeedProfile made_up_profile(const StepGraph& step, const Backend& backend) {
  SpeedProfile profile;
  const auto add = [&](const KernelCall& call) {
    const std::string key = key_of(call);
    profile.kernels[key] = backend.candidates(call)[0];
    profile.timings[key] = {1e-3 * static_cast<double>(std::hash<std::string>{}(key) % 1000), 0, 1};
  };
  const std::vector<Layout> layouts = assign_layouts(step.graph);
  for (const Event& event : schedule_of(step.graph, layouts)) {
    if (event.node == kNone) {
      add(cast_call(step.graph, event.copy, event.from));
    } else {
      for (const Precision precision : allowed_of(step.graph, event.node)) {
        add(call_under(step.graph, event.node, precision, layouts));
      }
    }
  }
  return profile;
}

struct ProblemCase {
  std::string name;
  bool residual;
  std::int64_t micro_batches;
};
void PrintTo(const ProblemCase& of, std::ostream* out) { *out << of.name; }

class ProblemOf : public ::testing::TestWithParam<ProblemCase> {
 protected:
  ProblemOf() { options_.micro_batches = GetParam().micro_batches; }

  Model model_ = GetParam().residual ? testing::residual_net(4) : testing::mlp_net(4, 5);
  TrainingOptions options_;
};

TEST_P(ProblemOf, APlanPredictsEveryByteAndMillisecondOfItsLoweredGraph) {
  const NullBackend backend;
  const StepGraph step = training_graph(model_, options_);
  const SpeedProfile profile = made_up_profile(step, backend);
  const BuiltProblem built = build_problem(step, profile, [](LayerId, Precision) { return 1.0; });
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<int> choice;
    for (const std::vector<Precision>& options : built.options) {
      choice.push_back(static_cast<int>(random() % options.size()));
    }
    const Evaluation evaluation = evaluate(built.problem, choice);
    ASSERT_TRUE(evaluation.allowed) << evaluation.why;
    const std::vector<Precision> precision = built.precision_of(choice);
    const PreparedGraph prepared =
        prepare_graph(training_graph(model_, options_), precision,
                      [&](const KernelCall& call) { return backend.candidates(call)[0]; });
    const Graph& lowered = prepared.lowered.graph;
    for (std::size_t i = 0; i < lowered.nodes.size(); ++i) {
      const int event = prepared.lowered.event_of[i];
      if (event == kNone) continue;
      ASSERT_EQ(evaluation.bytes[static_cast<std::size_t>(event)], prepared.memory.timeline[i])
          << "round " << round << ", node " << lowered.nodes[i].name;
    }
    EXPECT_EQ(evaluation.peak, prepared.memory.live_peak);
    EXPECT_NEAR(evaluation.ms, predicted_ms(lowered, profile, options_.micro_batches),
                1e-9 * evaluation.ms);
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, ProblemOf,
                         ::testing::Values(ProblemCase{"Residual", true, 1},
                                           ProblemCase{"Mlp", false, 1},
                                           ProblemCase{"ResidualAccumulated", true, 3}),
                         [](const auto& test) { return test.param.name; });

TEST(Lowering, CastsEachTensorOnceForAllReaders) {
  const NullBackend backend;
  const Model model = testing::residual_net(4);
  const std::vector<Precision> precision(model.graph.layers.size(), Precision::BF16);
  const PreparedGraph prepared =
      prepare_graph(training_graph(model, {}), precision,
                    [&](const KernelCall& call) { return backend.candidates(call)[0]; });
  std::map<std::string, int> casts;
  for (const Node& node : prepared.lowered.graph.nodes) {
    if (node.op->name == "Cast") ++casts[node.name];
  }
  for (const auto& [name, count] : casts) EXPECT_EQ(count, 1) << name;
  EXPECT_EQ(casts.count("conv2.w@BF16"), 1U);
}

/// A plan is made on a model narrowed by pins and filters and runs on the model as imported.
TEST(Lowering, PlacesAPlanTheSameWhateverWasExcluded) {
  const NullBackend backend;
  const Model imported = testing::residual_net(4);
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    Model narrowed = imported;
    std::vector<Precision> precision;
    for (Layer& layer : narrowed.graph.layers) {
      precision.push_back(layer.possible[random() % layer.possible.size()]);
      layer.allowed = {precision.back()};
    }
    const auto order = [&](const Model& model) {
      const PreparedGraph prepared =
          prepare_graph(training_graph(model, {}), precision,
                        [&](const KernelCall& call) { return backend.candidates(call)[0]; });
      std::vector<std::pair<std::string, std::int64_t>> placed;
      for (const Node& node : prepared.lowered.graph.nodes) {
        for (const ValueId id : node.outputs) {
          placed.emplace_back(node.name,
                              prepared.memory.values[static_cast<std::size_t>(id)].offset);
        }
      }
      return placed;
    };
    ASSERT_EQ(order(imported), order(narrowed)) << "round " << round;
  }
}

}  // namespace
}  // namespace mpsearch
