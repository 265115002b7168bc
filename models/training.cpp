#include "models/training.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "kernels/error.h"
#include "kernels/step_state.h"
#include "models/gradient.h"
#include "models/op.h"
#include "models/training_losses.h"

namespace mpsearch {
namespace {

/// Running statistics instead of the batch's, and no dropout.
void set_inference_mode(Graph& graph, const Model& model) {
  for (const RunningStatisticsOf& running : model.running_statistics) {
    Node& node = graph.node(running.node);
    node.op = find_op("BatchNormInference");
    node.inputs.push_back(running.mean);
    node.inputs.push_back(running.variance);
  }
  for (Node& node : graph.nodes) {
    if (node.op->name != "Dropout") continue;
    node.op = find_op("Identity");
    node.attributes = {};
  }
}

/// The trained values, with their gradients in the order in which backward writes them.
std::vector<std::pair<ValueId, ValueId>> trained(const Graph& graph,
                                                 const GradientBuilder& builder) {
  std::vector<std::pair<ValueId, ValueId>> pairs;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (graph.values[i].kind != ValueKind::Parameter) continue;
    if (const ValueId gradient = builder.gradient(id); gradient != kNone) {
      pairs.emplace_back(id, gradient);
    }
  }
  std::ranges::stable_sort(
      pairs, {}, [&](const auto& pair) { return graph.value(graph.root(pair.second)).producer; });
  return pairs;
}

NodeId add_update_node(Graph& graph, std::string name, std::string_view op,
                       std::vector<ValueId> inputs, Attributes attributes, LayerId layer,
                       std::size_t outputs = 0) {
  const NodeId id =
      graph.add_node(std::move(name), op, std::move(inputs), std::move(attributes), outputs);
  graph.node(id).phase = Phase::Update;
  graph.node(id).layer = layer;
  return id;
}

/// The layer that first reads a parameter: its update is counted there.
LayerId layer_of_parameter(const Graph& graph, ValueId parameter) {
  for (const Node& node : graph.nodes) {
    if (node.op->view) continue;
    for (const ValueId input : node.inputs) {
      if (graph.root(input) == parameter) return node.layer;
    }
  }
  return kNone;
}

void add_optimizer_node(Graph& graph, ValueId parameter, ValueId gradient, ValueId state,
                        const OptimizerOptions& options) {
  const std::string name = graph.value(parameter).name;
  const TensorType type = graph.value(parameter).type;
  const LayerId layer = layer_of_parameter(graph, parameter);
  if (options.kind == OptimizerKind::Sgd) {
    std::vector<ValueId> inputs{parameter, gradient, state};
    if (options.momentum != 0) {
      inputs.push_back(add_given(graph, name + ".momentum", type, ValueKind::State));
    }
    add_update_node(graph, name + ".update", "Sgd", std::move(inputs),
                    {{"momentum", options.momentum},
                     {"dampening", options.dampening},
                     {"weight_decay", options.weight_decay},
                     {"nesterov", std::int64_t{options.nesterov}}},
                    layer);
    return;
  }
  const ValueId m = add_given(graph, name + ".m", type, ValueKind::State);
  const ValueId v = add_given(graph, name + ".v", type, ValueKind::State);
  add_update_node(graph, name + ".update", "Adam", {parameter, gradient, state, m, v},
                  {{"beta1", options.beta1},
                   {"beta2", options.beta2},
                   {"epsilon", options.epsilon},
                   {"weight_decay", options.weight_decay},
                   {"decoupled", std::int64_t{options.kind == OptimizerKind::AdamW}}},
                  layer);
}

Attributes control_attributes(const TrainingOptions& options) {
  return {{"growth_interval", options.scaler.growth_interval},
          {"floor", options.scaler.floor},
          {"cap", options.scaler.cap},
          {"hysteresis", options.scaler.hysteresis},
          {"clip", options.clip}};
}

/// Sums over the micro-batches of a step (`Accumulate`), kept in State values.
class Sums {
 public:
  Sums(StepGraph& step, std::int64_t micro_batches) : step_(step), micro_batches_(micro_batches) {}

  bool needed() const { return micro_batches_ > 1; }

  /// keep^(n-1) v_0 + ... + v_(n-1), times `factor`; the value itself where nothing is summed.
  ValueId of(ValueId value, const std::string& name, LayerId layer, double keep, double factor) {
    if (!needed()) return value;
    Graph& graph = step_.graph;
    const TensorType type{graph.value(value).type.shape, {}};
    const ValueId sum = add_given(graph, name + ".sum", type, ValueKind::State);
    const NodeId id =
        graph.add_node(name + ".accumulate", "Accumulate", {sum, value, step_.step_inputs},
                       {{"every", micro_batches_}, {"keep", keep}, {"factor", factor}}, 0);
    graph.node(id).phase = Phase::Backward;
    graph.node(id).layer = layer;
    return sum;
  }

  /// The loss as a mean, hits and targets as sums.
  void add_losses() {
    const LayerId layer = static_cast<LayerId>(step_.graph.layers.size()) - 1;
    step_.loss = of(step_.loss, "loss", layer, 1, 1.0 / static_cast<double>(micro_batches_));
    if (step_.correct != kNone) step_.correct = of(step_.correct, "correct", layer, 1, 1);
    if (step_.count != kNone) step_.count = of(step_.count, "count", layer, 1, 1);
  }

 private:
  StepGraph& step_;
  std::int64_t micro_batches_;
};

/// One update of running statistics, as good as one after each micro-batch: m^n times the old
/// value, and the batches' weighed by how often m came after them.
struct RunningUpdate {
  RunningStatisticsOf of;
  ValueId mean = kNone;
  ValueId variance = kNone;
  double momentum = 0;
};

std::vector<RunningUpdate> batch_statistics(Graph& graph, const Model& model, Sums& sums,
                                            std::int64_t micro_batches) {
  std::vector<RunningUpdate> updates;
  for (const RunningStatisticsOf& running : model.running_statistics) {
    const double kept = std::pow(running.momentum, static_cast<double>(micro_batches));
    const double factor = kept < 1 ? (1 - running.momentum) / (1 - kept) : 0;
    const ValueId mean = graph.add_output(running.node, 1);
    const ValueId variance = graph.add_output(running.node, 2);
    const std::string name = graph.node(running.node).name;
    const LayerId layer = graph.node(running.node).layer;
    updates.push_back({running, sums.of(mean, name + ".mean", layer, running.momentum, factor),
                       sums.of(variance, name + ".variance", layer, running.momentum, factor),
                       micro_batches > 1 ? kept : running.momentum});
  }
  return updates;
}

void add_running_statistics(Graph& graph, const std::vector<RunningUpdate>& updates, ValueId state,
                            bool unbiased) {
  for (const RunningUpdate& update : updates) {
    const Node& node = graph.node(update.of.node);
    const std::int64_t count =
        graph.value(node.inputs[0]).type.elements() / graph.value(update.mean).type.elements();
    add_update_node(
        graph, node.name + ".running", "RunningStatistics",
        {update.of.mean, update.of.variance, update.mean, update.variance, state},
        {{"momentum", update.momentum}, {"count", count}, {"unbiased", std::int64_t{unbiased}}},
        node.layer);
  }
}

/// Statistics of all gradients, the decision whether the step counts, and the optimizer.
void add_updates(StepGraph& step, const TrainingOptions& options) {
  Graph& graph = step.graph;
  std::vector<ValueId> control{step.step_state, step.step_inputs, step.loss};
  for (std::size_t i = 0; i < step.trained.size(); ++i) {
    const ValueId parameter = step.trained[i];
    const NodeId statistics =
        add_update_node(graph, graph.value(parameter).name + ".statistics", "GradientStatistics",
                        {step.gradients[i]}, {}, layer_of_parameter(graph, parameter), 1);
    control.push_back(graph.node(statistics).outputs[0]);
  }
  add_update_node(graph, "step_control", "StepControl", std::move(control),
                  control_attributes(options), kNone);
  for (std::size_t i = 0; i < step.trained.size(); ++i) {
    add_optimizer_node(graph, step.trained[i], step.gradients[i], step.step_state,
                       options.optimizer);
  }
}

std::shared_ptr<const Bytes> initial_step_state(const TrainingOptions& options) {
  StepState state;
  state.loss_scale = options.scaled ? static_cast<float>(options.scaler.initial) : 1.0F;
  state.dynamic = options.scaled && options.scaler.dynamic ? 1 : 0;
  state.hysteresis = static_cast<std::int32_t>(options.scaler.hysteresis);
  state.micro_batches = options.micro_batches;
  const auto* first = reinterpret_cast<const std::byte*>(&state);
  return std::make_shared<const Bytes>(first, first + sizeof state);
}

}  // namespace

StepGraph training_graph(const Model& model, const TrainingOptions& options) {
  StepGraph step;
  step.graph = model.graph;
  Graph& graph = step.graph;
  add_losses(step, model, options);
  for (Node& node : graph.nodes) {
    if (node.op->name == "Dropout") node.inputs.push_back(step.step_inputs);
  }
  step.step_state =
      add_given(graph, "step_state", record_type(sizeof(StepState)), ValueKind::State);
  graph.value(step.step_state).data = initial_step_state(options);

  const std::size_t forward_values = graph.values.size();
  GradientBuilder builder(graph, step.step_state);
  Sums sums(step, options.micro_batches);
  std::map<ValueId, ValueId> sum_of;  // by parameter
  builder.run([&](ValueId parameter, ValueId gradient) {
    sum_of[parameter] = sums.of(gradient, graph.value(parameter).name + ".gradient",
                                layer_of_parameter(graph, parameter), 1, 1);
  });
  for (std::size_t i = 0; i < forward_values; ++i) {
    step.gradient_of.push_back(builder.gradient(static_cast<ValueId>(i)));
  }
  const auto pairs = trained(graph, builder);
  require(!pairs.empty(), ErrorKind::BadContent,
          "nothing to train: no trainable parameter leads to an output with a loss");
  for (const auto& [parameter, gradient] : pairs) {
    step.trained.push_back(parameter);
    step.gradients.push_back(sum_of.at(parameter));
  }
  step.micro_batches = options.micro_batches;
  sums.add_losses();
  const std::vector<RunningUpdate> running =
      batch_statistics(graph, model, sums, options.micro_batches);
  add_updates(step, options);
  add_running_statistics(graph, running, step.step_state, options.unbiased_running_variance);
  graph.verify();
  return step;
}

Graph inference_graph(const Model& model) {
  Graph graph = model.graph;
  set_inference_mode(graph, model);
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    graph.outputs[i] = activated_output(graph, model, i);
  }
  graph.verify();
  return graph;
}

StepGraph evaluation_graph(const Model& model, const TrainingOptions& options) {
  StepGraph step;
  step.graph = model.graph;
  set_inference_mode(step.graph, model);
  add_losses(step, model, options);
  step.graph.verify();
  return step;
}

std::int64_t weight_state_bytes(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const Value& value : graph.values) {
    if (value.kind == ValueKind::Parameter || value.kind == ValueKind::State) {
      bytes += value.type.bytes();
    }
  }
  return bytes;
}

}  // namespace mpsearch
