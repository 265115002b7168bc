// Graph: values and nodes in execution order, by index, with value semantics. The same structure
// holds the imported model, the training graph (forward, backward, update) and the lowered graph,
// in which every value has its final form and every node its kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/attributes.h"
#include "kernels/kernel.h"
#include "kernels/tensor.h"
#include "models/precision.h"

namespace mpsearch {

struct OpDef;

using ValueId = int;
using NodeId = int;
using LayerId = int;
inline constexpr int kNone = -1;

using Bytes = std::vector<std::byte>;

enum class ValueKind : std::uint8_t {
  Input,      // written by the host before a step: data, targets, learning rate
  Parameter,  // trained; the FP32 master
  State,      // kept from step to step: moments, running statistics, loss scale
  Constant,   // never changes
  Computed,   // written by a node in every step
};

struct Value {
  std::string name;
  TensorType type;
  ValueKind kind = ValueKind::Computed;
  NodeId producer = kNone;            // kNone unless Computed
  std::shared_ptr<const Bytes> data;  // initial content; State without it starts as zeros
  ValueId gradient_of = kNone;        // what this value is the gradient of
  ValueId scale = kNone;              // the F32 scalar that belongs to an FP8 value
};

enum class Phase : std::uint8_t { Forward, Backward, Update };

struct Node {
  std::string name;  // the ONNX name, or derived from it ("conv1.dx")
  const OpDef* op = nullptr;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;
  Phase phase = Phase::Forward;
  LayerId layer = kNone;
  KernelChoice kernel;  // set by lowering
};

/// The unit of decision: a compute node with the nodes that follow it.
struct Layer {
  std::string name;                 // of its first compute node
  std::string op;                   // of the same
  std::vector<Precision> possible;  // by its op alone: what the schedule has room for
  std::vector<Precision> allowed;   // of these, what a plan may choose
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;  // in execution order
  std::vector<Layer> layers;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
  Node& node(NodeId id) { return nodes[static_cast<std::size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }

  ValueId add_value(Value value);
  /// Appends a node, infers the types of its outputs and creates them as "NAME" or "NAME:k".
  /// Returns the node; `outputs` limits how many of the op's outputs are created.
  NodeId add_node(std::string name, std::string_view op, std::vector<ValueId> inputs,
                  Attributes attributes = {}, std::size_t outputs = 1);
  /// Creates output `index` of a node that was added without it.
  ValueId add_output(NodeId node, std::size_t index);

  /// The value whose storage `id` shows: follows view nodes (Reshape, Identity, ...) backwards.
  ValueId root(ValueId id) const;

  /// Lets go of all initial contents: an arena holds them.
  void drop_contents();

  /// Checks ids, order (no use before a write), producers and layers. Throws Internal.
  void verify() const;
};

/// The call that a node makes, with the types of its values.
KernelCall call_of(const Graph& graph, const Node& node);

}  // namespace mpsearch
