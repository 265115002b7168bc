#include "models/training.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "kernels/step_state.h"
#include "models/gradient.h"
#include "models/op.h"

namespace mpsearch {
namespace {

struct LossOps {
  std::string_view op;
  std::size_t outputs;
};

LossOps ops_of(LossKind kind) {
  switch (kind) {
    case LossKind::CrossEntropy:
      return {"SoftmaxCrossEntropy", 3};
    case LossKind::MeanSquaredError:
      return {"MeanSquaredError", 1};
    case LossKind::BinaryCrossEntropy:
      return {"SigmoidCrossEntropy", 3};
  }
  return {};
}

ValueId add_given(Graph& graph, std::string name, TensorType type, ValueKind kind) {
  Value value;
  value.name = std::move(name);
  value.type = std::move(type);
  value.kind = kind;
  return graph.add_value(std::move(value));
}

TensorType record_type(std::size_t bytes) {
  return {{static_cast<std::int64_t>(bytes)}, {DType::U8, Layout::RowMajor}};
}

/// Output `index` of the model behind its final activation, which import left out.
ValueId activated_output(Graph& graph, const Model& model, std::size_t index) {
  const ValueId output = model.graph.outputs[index];
  const bool known = index < model.final_activations.size();
  const std::string activation = known ? model.final_activations[index] : "";
  if (activation.empty()) return output;
  Attributes attributes;
  if (activation != "Sigmoid") {
    const std::size_t rank = graph.value(output).type.shape.size();
    attributes.set("axis", static_cast<std::int64_t>(rank) - 1);
  }
  std::string name = "final_activation";
  if (index > 0) name += std::to_string(index);
  const NodeId node = graph.add_node(name, activation, {output}, attributes);
  const NodeId producer = graph.value(output).producer;
  if (producer != kNone) graph.node(node).layer = graph.node(producer).layer;
  return graph.node(node).outputs[0];
}

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

/// What the loss is compared with: labels for classes, else values of the output's shape.
TensorType target_type(const Model& model, const OutputLoss& loss, TensorType output) {
  if (loss.kind != LossKind::CrossEntropy) return output;
  if (output.shape.size() < 2) {
    throw Error(ErrorKind::BadContent,
                {.what = "cross-entropy needs an output of shape [batch, ..., classes]",
                 .at = model.name + ", output '" + loss.output + "'",
                 .why = "its shape is " + to_string(output.shape),
                 .try_ = "--loss mse"});
  }
  output.shape.pop_back();
  output.form.dtype = DType::I64;
  return output;
}

/// Adds the target and the loss of one output; returns the loss node. Cross-entropies take logits,
/// a squared error what the model really gives.
NodeId add_output_loss(StepGraph& step, const Model& model, const OutputLoss& loss,
                       const std::string& suffix) {
  Graph& graph = step.graph;
  const auto place = std::ranges::find(model.output_names, loss.output);
  const auto index = static_cast<std::size_t>(place - model.output_names.begin());
  const ValueId output = loss.kind == LossKind::MeanSquaredError
                             ? activated_output(graph, model, index)
                             : model.graph.outputs[index];
  const TensorType type = target_type(model, loss, graph.value(output).type);
  step.targets.push_back(add_given(graph, "target" + suffix, type, ValueKind::Input));
  graph.inputs.push_back(step.targets.back());
  const LossOps ops = ops_of(loss.kind);
  Attributes attributes;
  if (loss.weight != 1) attributes.set("weight", loss.weight);
  const NodeId node = graph.add_node("loss" + suffix, ops.op, {output, step.targets.back()},
                                     attributes, ops.outputs);
  graph.layers.push_back({"loss" + suffix, std::string(ops.op), {Precision::FP32}});
  graph.node(node).layer = static_cast<LayerId>(graph.layers.size()) - 1;
  return node;
}

/// `a` + weight `b`, scalars, in the layer of the loss that `b` is.
ValueId weighted_sum(Graph& graph, ValueId a, ValueId b, double weight) {
  const LayerId layer = graph.node(graph.value(b).producer).layer;
  const std::string name = graph.node(graph.value(b).producer).name;
  const auto add = [&](const char* suffix, std::string_view op, std::vector<ValueId> inputs,
                       Attributes attributes) {
    const NodeId node = graph.add_node(name + suffix, op, std::move(inputs), std::move(attributes));
    graph.node(node).layer = layer;
    return graph.node(node).outputs[0];
  };
  if (weight != 1) b = add(".weighted", "Scale", {b}, {{"factor", weight}});
  return a == kNone ? b : add(".sum", "Add", {a, b}, {});
}

/// Adds targets, step inputs and the losses. Hits are counted for the first output with classes.
void add_losses(StepGraph& step, const Model& model, const TrainingOptions& options) {
  Graph& graph = step.graph;
  step.data = graph.inputs;
  graph.outputs.clear();  // the model's own outputs need not outlive the loss
  const std::vector<OutputLoss> losses = losses_of(model, options);
  for (const OutputLoss& loss : losses) {
    const std::string suffix = options.losses.empty() ? "" : ":" + loss.output;
    const NodeId node = add_output_loss(step, model, loss, suffix);
    const std::vector<ValueId> outputs = graph.node(node).outputs;
    step.loss = weighted_sum(graph, step.loss, outputs[0], loss.weight);
    if (step.correct == kNone && outputs.size() > 2) {
      step.correct = outputs[1];
      step.count = outputs[2];
    }
  }
  for (const ValueId id : {step.loss, step.correct, step.count}) {
    if (id != kNone) graph.outputs.push_back(id);
  }
  step.step_inputs =
      add_given(graph, "step_inputs", record_type(sizeof(StepInputs)), ValueKind::Input);
  graph.inputs.push_back(step.step_inputs);
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

std::vector<OutputLoss> losses_of(const Model& model, const TrainingOptions& options) {
  require(!model.graph.outputs.empty(), ErrorKind::BadContent, "the model has no output");
  if (options.losses.empty()) {
    return {{model.output_names.empty() ? "" : model.output_names[0], options.loss, 1}};
  }
  for (const OutputLoss& loss : options.losses) {
    if (std::ranges::find(model.output_names, loss.output) != model.output_names.end()) continue;
    throw Error(ErrorKind::Usage, {.what = "the model has no output '" + loss.output + "'",
                                   .at = model.name,
                                   .why = did_you_mean(loss.output, model.output_names),
                                   .try_ = "mpsearch inspect shows the outputs"});
  }
  return options.losses;
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
