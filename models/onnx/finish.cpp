#include "models/onnx/finish.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/error.h"
#include "models/layers.h"
#include "models/op.h"

namespace mpsearch {
namespace {

/// The activation that a loss would take over, or "".
std::string final_activation(const Graph& graph, ValueId output) {
  const NodeId producer = graph.value(output).producer;
  if (producer == kNone || std::ranges::count(graph.outputs, output) > 1) return {};
  const Node& node = graph.node(producer);
  const std::string op(node.op->name);
  if (op != "Softmax" && op != "LogSoftmax" && op != "Sigmoid") return {};
  const auto last = static_cast<std::int64_t>(graph.value(output).type.shape.size()) - 1;
  if (op != "Sigmoid" && node.attributes.integer("axis", -1) != last) return {};
  for (const Node& other : graph.nodes) {
    if (std::ranges::count(other.inputs, output) > 0) return {};
  }
  return op;
}

/// Losses take logits: a last softmax over the classes, or sigmoid, is left to them.
void take_final_activations(Model& model) {
  Graph& graph = model.graph;
  for (ValueId& output : graph.outputs) {
    const std::string op = final_activation(graph, output);
    model.final_activations.push_back(op);
    if (op.empty()) continue;
    const Node& node = graph.node(graph.value(output).producer);
    model.notes.push_back(fmt::format("the final {} '{}' is left to the loss", op, node.name));
    output = node.inputs[0];
  }
}

std::vector<int> readers(const Graph& graph) {
  std::vector<int> count(graph.values.size());
  for (const Node& node : graph.nodes) {
    for (const ValueId input : node.inputs) ++count[static_cast<std::size_t>(input)];
  }
  for (const ValueId output : graph.outputs) ++count[static_cast<std::size_t>(output)];
  return count;
}

/// A bias vector that follows a product goes into it: one pass over the output less.
void take_biases(Conversion& conversion) {
  Graph& graph = conversion.model.graph;
  const std::vector<int> count = readers(graph);
  std::vector<ValueId> stands_for(graph.values.size());  // the product for the sum it now gives
  std::iota(stands_for.begin(), stands_for.end(), 0);
  for (Node& add : graph.nodes) {
    if (add.op->name != "Add") continue;
    for (std::size_t side = 0; side < 2; ++side) {
      const ValueId product = add.inputs[side];
      const ValueId bias = add.inputs[1 - side];
      const NodeId producer = graph.value(product).producer;
      if (producer == kNone || graph.value(bias).producer != kNone) continue;
      Node& matmul = graph.node(producer);
      const Shape& shape = graph.value(product).type.shape;
      const bool vector = graph.value(bias).type.shape.size() == 1 && !shape.empty() &&
                          graph.value(bias).type.shape[0] == shape.back() &&
                          graph.value(bias).type.form.dtype == DType::F32;
      if (matmul.op->name != "MatMul" || matmul.inputs.size() != 2 || !vector ||
          graph.value(bias).kind == ValueKind::Input ||
          count[static_cast<std::size_t>(product)] != 1) {
        continue;
      }
      matmul.inputs.push_back(bias);
      const auto sum_node = static_cast<std::size_t>(&add - graph.nodes.data());
      conversion.biases.emplace_back(conversion.origin[sum_node],
                                     conversion.origin[static_cast<std::size_t>(producer)]);
      stands_for[static_cast<std::size_t>(add.outputs[0])] = product;
      break;
    }
  }
  const auto replace = [&](std::vector<ValueId>& values) {
    for (ValueId& value : values) value = stands_for[static_cast<std::size_t>(value)];
  };
  for (Node& node : graph.nodes) replace(node.inputs);
  replace(graph.outputs);
}

/// A clip of a clip that nothing else reads is one clip: `Min(Max(x, 0), 6)` saves one mask.
void join_clips(Conversion& conversion) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Graph& graph = conversion.model.graph;
  const std::vector<int> count = readers(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& outer = graph.nodes[i];
    if (outer.op->name != "Clip") continue;
    const ValueId between = outer.inputs[0];
    const NodeId producer = graph.value(between).producer;
    if (producer == kNone || count[static_cast<std::size_t>(between)] != 1) continue;
    const Node& inner = graph.node(producer);
    if (inner.op->name != "Clip") continue;
    const auto bound = [&](const Node& clip, const char* name, double otherwise) {
      return clip.attributes.number(name, otherwise);
    };
    const double low = std::max(bound(inner, "min", -kInfinity), bound(outer, "min", -kInfinity));
    const double high = std::min(bound(inner, "max", kInfinity), bound(outer, "max", kInfinity));
    if (low > high) continue;
    outer.inputs[0] = inner.inputs[0];
    outer.attributes = {};
    if (low > -kInfinity) outer.attributes.set("min", low);
    if (high < kInfinity) outer.attributes.set("max", high);
    conversion.absorbed.emplace_back(conversion.origin[static_cast<std::size_t>(producer)],
                                     conversion.origin[i]);
  }
}

/// Keeps what the outputs need, and the inputs. Renumbers everything.
void prune(Conversion& conversion) {
  Graph& graph = conversion.model.graph;
  std::vector<bool> value_lives(graph.values.size());
  std::vector<bool> node_lives(graph.nodes.size());
  for (const ValueId input : graph.inputs) value_lives[static_cast<std::size_t>(input)] = true;
  for (const ValueId output : graph.outputs) value_lives[static_cast<std::size_t>(output)] = true;
  for (std::size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    const auto lives = [&](ValueId id) { return value_lives[static_cast<std::size_t>(id)]; };
    if (std::none_of(node.outputs.begin(), node.outputs.end(), lives)) continue;
    node_lives[i] = true;
    for (const ValueId output : node.outputs) value_lives[static_cast<std::size_t>(output)] = true;
    for (const ValueId input : node.inputs) value_lives[static_cast<std::size_t>(input)] = true;
  }
  std::vector<RunningStatisticsOf> statistics;
  for (const RunningStatisticsOf& entry : conversion.model.running_statistics) {
    if (!node_lives[static_cast<std::size_t>(entry.node)]) continue;
    value_lives[static_cast<std::size_t>(entry.mean)] = true;
    value_lives[static_cast<std::size_t>(entry.variance)] = true;
    statistics.push_back(entry);
  }

  std::vector<ValueId> new_value(graph.values.size(), kNone);
  std::vector<NodeId> new_node(graph.nodes.size(), kNone);
  Graph kept;
  for (std::size_t i = 0, next = 0; i < graph.nodes.size(); ++i) {
    if (node_lives[i]) new_node[i] = static_cast<NodeId>(next++);
  }
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!value_lives[i]) continue;
    Value& value = graph.values[i];
    if (value.producer != kNone)
      value.producer = new_node[static_cast<std::size_t>(value.producer)];
    new_value[i] = kept.add_value(std::move(value));
  }
  const auto renumber = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) id = new_value[static_cast<std::size_t>(id)];
  };
  std::vector<int> origin;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!node_lives[i]) continue;
    renumber(graph.nodes[i].inputs);
    renumber(graph.nodes[i].outputs);
    kept.nodes.push_back(std::move(graph.nodes[i]));
    origin.push_back(conversion.origin[i]);
  }
  kept.inputs = std::move(graph.inputs);
  kept.outputs = std::move(graph.outputs);
  renumber(kept.inputs);
  renumber(kept.outputs);
  for (RunningStatisticsOf& entry : statistics) {
    entry.node = new_node[static_cast<std::size_t>(entry.node)];
    entry.mean = new_value[static_cast<std::size_t>(entry.mean)];
    entry.variance = new_value[static_cast<std::size_t>(entry.variance)];
  }
  conversion.model.running_statistics = std::move(statistics);
  conversion.origin = std::move(origin);
  graph = std::move(kept);
}

/// A weight that is no number would spoil every other one in the first step.
void require_finite_parameters(const Model& model) {
  for (const Value& value : model.graph.values) {
    if (value.kind != ValueKind::Parameter || value.data == nullptr) continue;
    const std::byte* const bytes = value.data->data();
    for (std::size_t at = 0; at + sizeof(float) <= value.data->size(); at += sizeof(float)) {
      float element = 0;
      std::memcpy(&element, bytes + at, sizeof element);
      if (std::isfinite(element)) continue;
      throw Error(ErrorKind::BadContent,
                  {.what = "parameter '" + value.name + "' is not finite",
                   .at = {},
                   .why = fmt::format("element {} is {}", at / sizeof element, element),
                   .try_ = "mpsearch ... --freeze '" + value.name + "', or export a sound model"});
    }
  }
}

void note_parameters(Model& model) {
  std::int64_t tensors = 0;
  std::int64_t elements = 0;
  constexpr int kNamed = 8;
  int constants = 0;
  std::string fixed;
  for (const Value& value : model.graph.values) {
    if (value.kind == ValueKind::Parameter) {
      ++tensors;
      elements += value.type.elements();
    }
    if (value.kind != ValueKind::Constant || value.type.form.dtype != DType::F32) continue;
    if (++constants <= kNamed) fixed += (fixed.empty() ? "" : ", ") + value.name;
  }
  if (constants > kNamed) fixed += fmt::format(" and {} more", constants - kNamed);
  model.notes.push_back(fmt::format("{} tensors with {} values train", tensors, elements));
  if (!fixed.empty()) model.notes.push_back("constants, not trained: " + fixed);
}

/// PyTorch's exporters fold a BatchNormalization into the Conv before it, and name what comes out.
void note_folded_norms(const ModelFile& file, Model& model) {
  const auto folded = [](const std::string& name) {
    return name.starts_with("onnx::Conv_") || name.ends_with(".weight_bias");
  };
  const bool any = std::any_of(file.initializers.begin(), file.initializers.end(),
                               [&](const Initializer& entry) { return folded(entry.name); });
  if (!any || file.proto.producer_name() != "pytorch") return;
  model.notes.emplace_back(
      "no normalisation left: the exporter folded it into the convolutions; to train with it "
      "export "
      "with `optimize=False`, or with `dynamo=False, training=TrainingMode.TRAINING`");
}

}  // namespace

Conversion finish(Scope scope, std::vector<Unsupported> unsupported) {
  std::vector<std::string> names;
  for (const Initializer& initializer : scope.file.initializers) {
    if (onnx_is_float(initializer.type)) names.push_back(initializer.name);
  }
  scope.roles.require_matches(names);
  Conversion conversion{
      std::move(scope.model), std::move(scope.origin), {}, {}, std::move(unsupported)};
  if (!conversion.unsupported.empty()) return conversion;
  Model& model = conversion.model;
  take_final_activations(model);
  take_biases(conversion);
  join_clips(conversion);
  prune(conversion);
  require_finite_parameters(model);
  group_layers(model.graph);
  model.graph.verify();
  for (const auto& [text, count] : scope.noted) {
    model.notes.push_back(fmt::format(fmt::runtime(text), count));
  }
  note_folded_norms(scope.file, model);
  note_parameters(model);
  return conversion;
}

}  // namespace mpsearch
