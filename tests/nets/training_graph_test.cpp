// Whole nets: import, gradients and optimizer nodes, run in FP64 by the references, against what
// PyTorch computed in FP64 (tests/reference).
#include "models/training.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/step_state.h"
#include "models/onnx/import.h"
#include "tests/support/pytorch_net.h"
#include "tests/support/reference_graph.h"

namespace mpsearch {
namespace {

using reference::Array;
using reference::distance;
using reference::norm;
using reference::Numbers;
using Net = reference::PyTorchNet;

/// A net's training step on its reference batch, run in FP64.
class Steps {
 public:
  Steps(const Net& net, const TrainingOptions& options, float rate) : data_(net.read_data()) {
    const ImportOptions import{.batch = data_.at("input").shape[0]};
    step_ = training_graph(import_model(net.path(), import), options);
    values_ = reference::initial_numbers(step_.graph);
    at(step_.data.at(0)) = data_.at("input").numbers;
    at(step_.targets[0]) = data_.at("labels").numbers;
    inputs_.learning_rate = rate;
  }

  void run() {
    at(step_.step_inputs) = reference::numbers_of(inputs_);
    reference::run(step_.graph, values_);
    ++inputs_.attempt;
  }

  void reset_running_statistics() {
    for (std::size_t id = 0; id < values_.size(); ++id) {
      const std::string& name = step_.graph.values[id].name;
      if (!data_.contains("running64/" + name)) continue;
      for (double& value : values_[id]) value = name.ends_with("running_var") ? 1 : 0;
    }
  }

  double loss() { return at(step_.loss)[0]; }
  const StepGraph& step() const { return step_; }
  const std::map<std::string, Array>& data() const { return data_; }
  Numbers& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

 private:
  std::map<std::string, Array> data_;
  StepGraph step_;
  std::vector<Numbers> values_;
  StepInputs inputs_;
};

class WholeNet : public testing::TestWithParam<Net> {};

TEST_P(WholeNet, HasPyTorchsGradientsAndRunningStatistics) {
  TrainingOptions options;
  options.optimizer.kind = OptimizerKind::Sgd;
  options.optimizer.weight_decay = 0;
  Steps steps(GetParam(), options, 0);
  steps.reset_running_statistics();  // PyTorch's data begin before the export, which runs forward
  steps.run();
  const auto& data = steps.data();
  EXPECT_NEAR(steps.loss(), data.at("loss64").numbers[0], 1e-9);

  const double largest = reference::largest_gradient(data);
  const auto expected = static_cast<std::size_t>(std::ranges::count_if(
      data, [](const auto& entry) { return entry.first.starts_with("grad64/"); }));
  const Graph& graph = steps.step().graph;
  ASSERT_EQ(steps.step().trained.size(), expected);
  for (std::size_t i = 0; i < expected; ++i) {
    const std::string name = graph.value(steps.step().trained[i]).name;
    const auto found = data.find("grad64/" + name);
    ASSERT_NE(found, data.end()) << name << " is trained, but no parameter of PyTorch";
    const Numbers& truth = found->second.numbers;
    const Numbers& got = steps.at(steps.step().gradients[i]);
    ASSERT_EQ(got.size(), truth.size()) << name;
    EXPECT_LE(distance(got, truth), 1e-9 * norm(truth) + 1e-11 * largest) << name;
  }
  for (std::size_t id = 0; id < graph.values.size(); ++id) {
    const auto found = data.find("running64/" + graph.values[id].name);
    if (found == data.end()) continue;
    const Numbers& truth = found->second.numbers;
    EXPECT_LE(distance(steps.at(static_cast<ValueId>(id)), truth), 1e-6 * (1 + norm(truth)))
        << found->first;
  }
}

void expect_losses(const Net& net, const TrainingOptions& options, float rate, const char* key) {
  Steps steps(net, options, rate);
  const Numbers expected = steps.data().at(key).numbers;
  const std::size_t count = net.data == "lenet" ? expected.size() : 4;  // the others take longer
  for (std::size_t i = 0; i < count; ++i) {
    steps.run();
    EXPECT_NEAR(steps.loss(), expected[i], 1e-5) << "step " << i + 1;
  }
}

TEST_P(WholeNet, LosesAsPyTorchWithMomentum) {
  TrainingOptions options;
  options.optimizer.kind = OptimizerKind::Sgd;
  options.optimizer.weight_decay = 0;
  options.optimizer.momentum = 0.9;
  expect_losses(GetParam(), options, 0.05F, "losses64/sgd");
}

TEST_P(WholeNet, LosesAsPyTorchWithAdamW) {
  expect_losses(GetParam(), TrainingOptions{}, 1e-3F, "losses64/adamw");
}

INSTANTIATE_TEST_SUITE_P(Reference, WholeNet, reference::pytorch_nets(), reference::name_of_net);

}  // namespace
}  // namespace mpsearch
