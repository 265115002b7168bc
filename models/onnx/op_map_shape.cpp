// Operators that change a tensor's shape or type, or nothing.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

void reshape(NodeCall& call) {
  const Shape target = call.opset < 5 ? integers_of(call.node, "shape") : call.constant(1).integers;
  call.result(call.view(call.data(0), call.literal_target(call.shape(0), target, false)));
}

void flatten(NodeCall& call) {
  const Shape shape = flattened(call.shape(0), integer_of(call.node, "axis", 1));
  call.result(call.view(call.data(0), shape));
}

void squeeze(NodeCall& call) {
  call.result(call.view(call.data(0), squeezed(call.shape(0), call.integers("axes", 13, 1))));
}

void unsqueeze(NodeCall& call) {
  call.result(call.view(call.data(0), unsqueezed(call.shape(0), call.integers("axes", 13, 1))));
}

void transpose(NodeCall& call) {
  Shape perm = integers_of(call.node, "perm");
  if (perm.empty()) {
    for (std::size_t i = call.rank(0); i-- > 0;) perm.push_back(static_cast<Int>(i));
  }
  call.result(call.emit("Transpose", {call.data(0)}, {{"perm", perm}}));
}

void identity(NodeCall& call) { call.alias(0); }

void expand(NodeCall& call) {
  const Shape shape = call.literal_target(call.shape(0), call.constant(1).integers, true);
  if (shape == call.shape(0)) return call.alias(0);
  call.result(call.emit("BroadcastTo", {call.data(0)}, {{"shape", shape}}));
}

/// Everything computes in F32, so casts between floats are none.
void cast_between(NodeCall& call, int to) {
  if (!onnx_is_float(call.symbol(0).type))
    call.refuse("integer data becomes " + onnx_type_name(to));
  if (!onnx_is_float(to)) call.refuse("computed values become " + onnx_type_name(to));
  call.alias(0);
}

void cast(NodeCall& call) {
  cast_between(call, static_cast<int>(integer_of(call.node, "to", onnx::TensorProto::FLOAT)));
}

void cast_like(NodeCall& call) { cast_between(call, call.symbol(1).type); }

}  // namespace

std::vector<OpRow> shape_rows() {
  return {
      {"Reshape", 1, reshape},     {"Flatten", 1, flatten},     {"Squeeze", 1, squeeze},
      {"Unsqueeze", 1, unsqueeze}, {"Transpose", 1, transpose}, {"Identity", 1, identity},
      {"Expand", 8, expand},       {"Cast", 6, cast},           {"CastLike", 15, cast_like},
  };
}

}  // namespace mpsearch
