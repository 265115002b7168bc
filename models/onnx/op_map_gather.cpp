// Operators that pick and place by indices.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

/// Constant indices in equal steps are a slice: nothing to look up, and no index to keep.
bool gather_by_slice(NodeCall& call, Int axis) {
  if (!call.symbol(1).at_import() || call.rank(1) > 1) return false;
  const Shape index = call.constant(1).integers;
  const Shape x = call.shape(0);
  const Int size = x[static_cast<std::size_t>(axis)];
  if (index.empty() || (call.symbol(0).at_import() && index.size() > 1)) return false;
  const auto place = [&](std::size_t i) {
    const Int at = index[i] < 0 ? index[i] + size : index[i];
    require(at >= 0 && at < size, ErrorKind::BadContent,
            "index " + std::to_string(index[i]) + " is out of range for dimension " +
                std::to_string(axis) + " of " + to_string(x));
    return at;
  };
  const Int step = index.size() > 1 ? place(1) - place(0) : 1;
  if (step == 0) return false;
  for (std::size_t i = 1; i < index.size(); ++i) {
    if (place(i) - place(i - 1) != step) return false;
  }
  Shape starts(x.size(), 0);
  Shape steps(x.size(), 1);
  Shape shape = x;
  starts[static_cast<std::size_t>(axis)] = place(0);
  steps[static_cast<std::size_t>(axis)] = step;
  shape[static_cast<std::size_t>(axis)] = static_cast<Int>(index.size());
  ValueId y = call.part(0);
  if (shape != x || step != 1) {
    y = call.emit("Slice", {y}, {{"starts", starts}, {"steps", steps}, {"shape", shape}});
  }
  if (call.rank(1) == 0) shape.erase(shape.begin() + axis);
  call.result(call.view(y, shape, "shape"));
  return true;
}

/// Indices that are known are checked now, all others by the data set or where they are used.
void check_indices(NodeCall& call, std::size_t input, const Shape& sizes) {
  if (!call.symbol(input).at_import()) return;
  const Shape& index = call.constant(input).integers;
  for (std::size_t i = 0; i < index.size(); ++i) {
    const Int size = sizes[i % sizes.size()];
    require(index[i] >= -size && index[i] < size, ErrorKind::BadContent,
            "index " + std::to_string(index[i]) + " is out of range for a dimension of " +
                std::to_string(size));
  }
}

void gather(NodeCall& call) {
  const Int axis = axis_from_front(integer_of(call.node, "axis", 0), call.rank(0));
  if (elements_of(call.shape(1)) == 0) call.refuse("its result is empty");
  if (gather_by_slice(call, axis)) return;
  check_indices(call, 1, {call.shape(0)[static_cast<std::size_t>(axis)]});
  const ValueId x = call.part(0);
  const ValueId index = call.integer(1);
  // A table of the model is read where it lies, in F32: it needs no copy in the layer's precision.
  const Value& table = call.scope.model.graph.value(x);
  const bool embedding =
      axis == 0 && table.producer == kNone && table.type.form.dtype == DType::F32;
  call.result(call.emit(embedding ? "Embedding" : "Gather", {x, index}, {{"axis", axis}}));
}

void gather_nd(NodeCall& call) {
  const Int batch = integer_of(call.node, "batch_dims", 0);
  if (elements_of(call.shape(1)) == 0) call.refuse("its result is empty");
  const Shape x = call.shape(0);
  require(batch >= 0 && batch < static_cast<Int>(x.size()) && call.rank(1) > 0,
          ErrorKind::BadContent, "batch_dims is " + std::to_string(batch));
  const Int depth = call.shape(1).back();
  require(depth > 0 && depth <= static_cast<Int>(x.size()) - batch, ErrorKind::BadContent,
          "its indices have shape " + to_string(call.shape(1)) + ", its data " + to_string(x));
  check_indices(call, 1, {x.begin() + batch, x.begin() + batch + depth});
  call.result(call.emit("GatherND", {call.part(0), call.integer(1)}, {{"batch_dims", batch}}));
}

void gather_elements(NodeCall& call) {
  const Int axis = axis_from_front(integer_of(call.node, "axis", 0), call.rank(0));
  if (elements_of(call.shape(1)) == 0) call.refuse("its result is empty");
  check_indices(call, 1, {call.shape(0)[static_cast<std::size_t>(axis)]});
  call.result(call.emit("GatherElements", {call.part(0), call.integer(1)}, {{"axis", axis}}));
}

void scatter(NodeCall& call, std::string_view op, Attributes attributes, const Shape& sizes) {
  const std::string reduction = text_of(call.node, "reduction", "none");
  if (elements_of(call.shape(1)) == 0) return call.alias(0);
  check_indices(call, 1, sizes);
  if (reduction != "none") attributes.set("reduction", reduction);
  call.result(call.emit(op, {call.part(0), call.integer(1), call.part(2)}, std::move(attributes)));
}

void scatter_elements(NodeCall& call) {
  const Int axis = axis_from_front(integer_of(call.node, "axis", 0), call.rank(0));
  scatter(call, "ScatterElements", {{"axis", axis}},
          {call.shape(0)[static_cast<std::size_t>(axis)]});
}

void scatter_nd(NodeCall& call) {
  const Shape depth = call.shape(1);
  require(!depth.empty() && depth.back() > 0 && depth.back() <= static_cast<Int>(call.rank(0)),
          ErrorKind::BadContent, "its indices have shape " + to_string(depth));
  const Shape x = call.shape(0);
  scatter(call, "ScatterND", {}, {x.begin(), x.begin() + depth.back()});
}

/// Positions by an operator of ours, the elements there by GatherElements, which has a gradient.
void top_k(NodeCall& call) {
  const Int axis = axis_from_front(integer_of(call.node, "axis", -1), call.rank(0));
  const Int k = call.opset < 10 ? integer_of(call.node, "k", 0) : static_cast<Int>(call.scalar(1));
  if (k == 0) call.refuse("its result is empty");
  const ValueId x = call.data(0);
  const ValueId numbers =
      onnx_is_float(call.symbol(0).type)
          ? x
          : call.emit("CastTo", {call.integer(0)}, {{"to", std::string("F32")}}, "f32");
  const ValueId places =
      call.emit("TopK", {numbers},
                {{"axis", axis}, {"k", k}, {"largest", integer_of(call.node, "largest", 1)}});
  call.result(0, call.emit("GatherElements", {x, places}, {{"axis", axis}}, "values"));
  call.result(1, places);
}

/// Two values, off and on, which are constants.
void one_hot(NodeCall& call) {
  const Int depth = static_cast<Int>(call.scalar(1));
  const HostTensor values = call.constant(2);
  require(values.size() == 2 && depth > 0, ErrorKind::BadContent,
          "it has " + std::to_string(values.size()) + " values and depth " + std::to_string(depth));
  const Int axis = axis_from_front(integer_of(call.node, "axis", -1), call.rank(0) + 1);
  const char* to = values.real() ? "F32" : values.type == onnx::TensorProto::BOOL ? "BOOL" : "I64";
  call.result(call.emit("OneHot", {call.integer(0)},
                        {{"axis", axis},
                         {"depth", depth},
                         {"off", values.number(0)},
                         {"on", values.number(1)},
                         {"to", std::string(to)}}));
}

}  // namespace

std::vector<OpRow> gather_rows() {
  return {{"Gather", 1, gather},
          {"GatherND", 11, gather_nd},
          {"GatherElements", 11, gather_elements},
          {"Scatter", 9, scatter_elements},
          {"ScatterElements", 11, scatter_elements},
          {"ScatterND", 11, scatter_nd},
          {"TopK", 1, top_k},
          {"OneHot", 9, one_hot}};
}

}  // namespace mpsearch
