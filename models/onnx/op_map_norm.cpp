// Normalization by layers, groups, instances and root mean squares.
#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

void require_float(const NodeCall& call) {
  for (std::size_t i = 0; i < call.inputs(); ++i) {
    if (call.has(i) && !onnx_is_float(call.symbol(i).type)) {
      call.refuse("integer tensors as data");
    }
  }
}

/// Layer and RMS norm. A scale or shift that is not a row of its own is an operand behind the norm
/// of a scale of ones.
void row_norm(NodeCall& call) {
  require_float(call);
  const Shape x = call.shape(0);
  const Int axis = axis_from_front(integer_of(call.node, "axis", -1), x.size());
  const Shape row(x.begin() + axis, x.end());
  const bool layer = call.node.op_type() == "LayerNormalization";
  const bool scaled = call.shape(1) == row;
  const bool shifted = scaled && layer && call.has(2) && call.shape(2) == row;
  std::vector<ValueId> inputs{
      call.data(0),
      scaled ? call.weight(1) : call.scope.filled(1, row, call.node.name() + ".ones")};
  if (shifted) inputs.push_back(call.weight(2));
  ValueId y = call.emit(call.node.op_type(), inputs,
                        {{"axis", axis}, {"epsilon", number_of(call.node, "epsilon", 1e-5)}});
  for (int output = 1; output < call.node.output_size(); ++output) {
    if (call.uses_output(output)) call.result(output, call.scope.further_output(y, output));
  }
  if (!scaled) y = call.emit("Mul", {y, call.weight(1)}, {}, "scaled");
  if (layer && call.has(2) && !shifted) y = call.emit("Add", {y, call.weight(2)}, {}, "shifted");
  call.result(y);
}

/// One value a channel; before opset 21 a GroupNormalization has one a group.
ValueId channel_vector(NodeCall& call, std::size_t input, const char* suffix) {
  const ValueId value = call.weight(input);
  const Shape& shape = call.shape(input);
  const Int channels = call.shape(0)[1];
  if (shape == Shape{channels} || shape.size() != 1 || channels % shape[0] != 0) return value;
  const std::string name(suffix);
  const ValueId column = call.view(value, {shape[0], 1}, name + "_column");
  const ValueId wide = call.emit("BroadcastTo", {column},
                                 {{"shape", Shape{shape[0], channels / shape[0]}}}, name + "_wide");
  return call.view(wide, {channels}, name);
}

void group_norm(NodeCall& call) {
  require_float(call);
  require(call.rank(0) >= 2, ErrorKind::BadContent,
          "data of shape " + to_string(call.shape(0)) + " has no channels");
  const bool instance = call.node.op_type() == "InstanceNormalization";
  const Int groups = instance ? call.shape(0)[1] : integer_of(call.node, "num_groups", 0);
  call.result(
      call.emit("GroupNormalization",
                {call.data(0), channel_vector(call, 1, "scale"), channel_vector(call, 2, "shift")},
                {{"num_groups", groups}, {"epsilon", number_of(call.node, "epsilon", 1e-5)}}));
}

}  // namespace

std::vector<OpRow> norm_rows() {
  return {{"LayerNormalization", 17, row_norm},
          {"RMSNormalization", 23, row_norm},
          {"GroupNormalization", 18, group_norm},
          {"InstanceNormalization", 1, group_norm}};
}

}  // namespace mpsearch
