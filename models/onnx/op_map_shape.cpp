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

}  // namespace

std::vector<OpRow> shape_rows() {
  return {
      {"Reshape", 1, reshape},     {"Flatten", 1, flatten},     {"Squeeze", 1, squeeze},
      {"Unsqueeze", 1, unsqueeze}, {"Transpose", 1, transpose}, {"Identity", 1, identity},
      {"Expand", 8, expand},
  };
}

}  // namespace mpsearch
