#include "search/problem_builder.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
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
  for (const KernelCall& cast : cast_calls(step.graph, layouts)) add(cast);
  for (const Event& event : schedule_of(step.graph, layouts)) {
    if (event.node == kNone) continue;
    for (const Precision precision : allowed_of(step.graph, event.node)) {
      add(call_under(step.graph, event.node, precision, layouts));
    }
  }
  return profile;
}

Model five_classes(std::int64_t batch) { return testing::mlp_net(batch, 5); }

struct ProblemCase {
  std::string name;
  Model (*net)(std::int64_t batch);
  std::int64_t micro_batches;
};
void PrintTo(const ProblemCase& of, std::ostream* out) { *out << of.name; }

class ProblemOf : public ::testing::TestWithParam<ProblemCase> {
 protected:
  ProblemOf() { options_.micro_batches = GetParam().micro_batches; }

  Model model_ = GetParam().net(4);
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
                         ::testing::Values(ProblemCase{"Residual", testing::residual_net, 1},
                                           ProblemCase{"Mlp", five_classes, 1},
                                           ProblemCase{"Tied", testing::tied_net, 1},
                                           ProblemCase{"TiedAccumulated", testing::tied_net, 2},
                                           ProblemCase{"ResidualAccumulated", testing::residual_net,
                                                       3}),
                         [](const auto& test) { return test.param.name; });

TEST(TiedWeights, AreOneDecisionWithTheSumOfTheirScores) {
  Model model = testing::tied_net(4);
  std::map<std::string, LayerId> id;
  for (std::size_t i = 0; i < model.graph.layers.size(); ++i) {
    id[model.graph.layers[i].name] = static_cast<LayerId>(i);
  }
  const NullBackend backend;
  const StepGraph step = training_graph(model, {});
  const BuiltProblem built =
      build_problem(step, made_up_profile(step, backend), [&](LayerId layer, Precision precision) {
        return precision == Precision::FP32 ? 0 : 1.0 + layer;
      });
  const auto decision = [&](const std::string& name) {
    return built.decision[static_cast<std::size_t>(id.at(name))];
  };
  EXPECT_EQ(decision("up2"), decision("up1"));
  EXPECT_EQ(decision("up3"), decision("up1"));
  EXPECT_EQ(decision("down3"), decision("down1"));
  EXPECT_NE(decision("down1"), decision("up1"));
  EXPECT_NE(decision("fc"), decision("down1"));
  const ProblemLayer& up = built.problem.layers[static_cast<std::size_t>(decision("up1"))];
  EXPECT_DOUBLE_EQ(up.options.back().sensitivity, 3.0 + id["up1"] + id["up2"] + id["up3"]);
}

TEST(TiedWeights, WithContradictingPinsAreSeveralDecisions) {
  Model model = testing::tied_net(4);
  for (Layer& layer : model.graph.layers) {
    if (layer.name == "up1") layer.allowed = {Precision::FP32};
    if (layer.name == "up2") layer.allowed = {Precision::BF16};
  }
  const std::vector<LayerId> tied = tied_layers(training_graph(model, {}).graph);
  std::set<LayerId> of_up;
  for (std::size_t i = 0; i < model.graph.layers.size(); ++i) {
    if (model.graph.layers[i].name.starts_with("up")) of_up.insert(tied[i]);
  }
  EXPECT_EQ(of_up.size(), 2U);
}

TEST_P(ProblemOf, APinAsksForTheTimeOfNoCastThatItRulesOut) {
  const NullBackend backend;
  for (std::size_t i = 0; i < model_.graph.layers.size(); ++i) {
    for (const Precision pinned : model_.graph.layers[i].possible) {
      Model model = model_;
      model.graph.layers[i].allowed = {pinned};
      const StepGraph step = training_graph(model, options_);
      EXPECT_NO_THROW(build_problem(step, made_up_profile(step, backend),
                                    [](LayerId, Precision) { return 1.0; }))
          << model.graph.layers[i].name << " " << name_of(pinned);
    }
  }
}

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
