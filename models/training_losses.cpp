#include "models/training_losses.h"

#include <algorithm>
#include <utility>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "kernels/step_state.h"
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

}  // namespace

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

namespace {

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
  graph.layers.push_back(
      {"loss" + suffix, std::string(ops.op), {Precision::FP32}, {Precision::FP32}});
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

}  // namespace

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

}  // namespace mpsearch
