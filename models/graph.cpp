#include "models/graph.h"

#include <algorithm>

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {
namespace {

std::vector<TensorType> types_of(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<TensorType> types;
  types.reserve(ids.size());
  for (const ValueId id : ids) types.push_back(graph.value(id).type);
  return types;
}

std::vector<TensorType> inferred(const Graph& graph, const Node& node) {
  const std::vector<TensorType> types = types_of(graph, node.inputs);
  try {
    return node.op->infer(node.attributes, types);
  } catch (const Error& error) {  // shape rules do not know the node
    ErrorText text = error.text();
    text.at = "node '" + node.name + "' (" + std::string(node.op->name) + ")";
    for (const TensorType& type : types) text.at += ' ' + to_string(type);
    throw Error(error.kind(), std::move(text));
  }
}

}  // namespace

ValueId Graph::add_value(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size()) - 1;
}

NodeId Graph::add_node(std::string name, std::string_view op, std::vector<ValueId> inputs,
                       Attributes attributes, std::size_t output_count) {
  const OpDef* definition = find_op(op);
  require(definition != nullptr, ErrorKind::Internal, "no operator '" + std::string(op) + "'");
  nodes.push_back(Node{.name = std::move(name),
                       .op = definition,
                       .inputs = std::move(inputs),
                       .outputs = {},
                       .attributes = std::move(attributes),
                       .phase = Phase::Forward,
                       .layer = kNone,
                       .kernel = {}});
  const NodeId id = static_cast<NodeId>(nodes.size()) - 1;
  for (std::size_t i = 0; i < output_count; ++i) add_output(id, i);
  return id;
}

ValueId Graph::add_output(NodeId id, std::size_t index) {
  const std::vector<TensorType> types = inferred(*this, node(id));
  require(index < types.size(), ErrorKind::Internal,
          "node '" + node(id).name + "' has no such output");
  while (node(id).outputs.size() <= index) {
    const std::size_t next = node(id).outputs.size();
    Value value;
    value.name = next == 0 ? node(id).name : node(id).name + ':' + std::to_string(next);
    value.type = types[next];
    value.producer = id;
    const ValueId added = add_value(std::move(value));
    node(id).outputs.push_back(added);
  }
  return node(id).outputs[index];
}

ValueId Graph::root(ValueId id) const {
  while (value(id).producer != kNone && node(value(id).producer).op->view) {
    id = node(value(id).producer).inputs[0];
  }
  return id;
}

void Graph::drop_contents() {
  for (Value& value : values) value.data.reset();
}

void Graph::verify() const {
  const auto known = [&](ValueId id) {
    return id >= 0 && static_cast<std::size_t>(id) < values.size();
  };
  std::vector<bool> written(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    written[i] = values[i].kind != ValueKind::Computed;
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    require(node.op != nullptr, ErrorKind::Internal, "node '" + node.name + "' has no operator");
    require(node.layer == kNone || static_cast<std::size_t>(node.layer) < layers.size(),
            ErrorKind::Internal, "node '" + node.name + "' is in an unknown layer");
    for (const ValueId input : node.inputs) {
      require(known(input) && written[static_cast<std::size_t>(input)], ErrorKind::Internal,
              "node '" + node.name + "' reads a value before it is written");
    }
    for (const ValueId output : node.outputs) {
      require(known(output) && value(output).producer == static_cast<NodeId>(i) &&
                  !written[static_cast<std::size_t>(output)],
              ErrorKind::Internal, "node '" + node.name + "' writes a value that is not its own");
      written[static_cast<std::size_t>(output)] = true;
    }
  }
  for (const ValueId output : outputs) {
    require(known(output) && written[static_cast<std::size_t>(output)], ErrorKind::Internal,
            "an output of the graph is never written");
  }
}

KernelCall call_of(const Graph& graph, const Node& node) {
  return {std::string(node.op->name), node.attributes, types_of(graph, node.inputs),
          types_of(graph, node.outputs)};
}

Role role_of_input(const OpDef& op, std::size_t index) {
  return op.inputs[std::min(index, op.inputs.size() - 1)];
}

Role role_of_output(const OpDef& op, std::size_t index) {
  return op.outputs[std::min(index, op.outputs.size() - 1)];
}

}  // namespace mpsearch
