// Operators that move elements: Concat, Split, Slice, Pad, Tile.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

void concat(NodeCall& call) {
  std::vector<ValueId> parts;
  const Int axis =
      axis_from_front(integer_of(call.node, "axis", call.opset < 4 ? 1 : 0), call.rank(0));
  for (std::size_t i = 0; i < call.inputs(); ++i) {
    if (elements_of(call.shape(i)) > 0) parts.push_back(call.part(i));
  }
  if (parts.empty()) call.refuse("it joins empty tensors");
  if (call.inputs() == 1) return call.alias(0);
  call.result(parts.size() == 1 ? parts[0] : call.emit("Concat", parts, {{"axis", axis}}));
}

ValueId slice_node(NodeCall& call, ValueId x, const SlicedShape& to, std::string_view suffix = "") {
  if (to.shape == call.scope.model.graph.value(x).type.shape && to.whole()) return x;
  return call.emit("Slice", {x}, {{"starts", to.starts}, {"steps", to.steps}, {"shape", to.shape}},
                   suffix);
}

/// Output `output` is a slice of the first input; a constant where it has no elements, which a
/// Concat leaves out.
void slice_result(NodeCall& call, int output, const SlicedShape& to) {
  if (elements_of(to.shape) > 0) {
    return call.result(output, slice_node(call, call.part(0), to));
  }
  call.scope.define_constant(call.node.output(output), host_tensor(call.symbol(0).type, to.shape));
}

void slice(NodeCall& call) { slice_result(call, 0, slice_of(call)); }

/// Sizes of the parts: given, or equal with a smaller last one.
Shape part_sizes(NodeCall& call, Int size) {
  const Shape given = call.integers("split", 13, 1);
  const Int outputs = call.node.output_size();
  const Int parts = !given.empty()     ? static_cast<Int>(given.size())
                    : call.opset >= 18 ? integer_of(call.node, "num_outputs", outputs)
                                       : outputs;
  require(parts == outputs && parts > 0, ErrorKind::BadContent,
          std::to_string(outputs) + " outputs of a Split into " + std::to_string(parts) + " parts");
  if (!given.empty()) return given;
  const Int each = (size + parts - 1) / parts;
  Shape sizes;
  for (Int begin = 0; static_cast<Int>(sizes.size()) < parts; begin += each) {
    sizes.push_back(std::max<Int>(0, std::min(each, size - begin)));
  }
  return sizes;
}

void split(NodeCall& call) {
  const Shape x = call.shape(0);
  const Int axis = axis_from_front(integer_of(call.node, "axis", 0), x.size());
  const Shape sizes = part_sizes(call, x[static_cast<std::size_t>(axis)]);
  Int begin = 0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const Int end = begin + sizes[k];
    require(sizes[k] >= 0 && end <= x[static_cast<std::size_t>(axis)], ErrorKind::BadContent,
            "parts of sizes " + to_string(sizes) + " do not fit into " + to_string(x));
    const int output = static_cast<int>(k);
    if (call.uses_output(output)) {
      slice_result(call, output, sliced(x, {begin}, {end}, {axis}, {}));
    }
    begin = end;
  }
}

/// Pads of all dimensions, those before all those after.
Shape pads_of(NodeCall& call, std::size_t rank) {
  Shape given = call.integers(call.opset < 2 ? "paddings" : "pads", 11, 1);
  const Shape axes = call.opset >= 18 && call.has(3) ? call.constant(3).integers : Shape{};
  if (axes.empty()) {
    require(given.size() == 2 * rank, ErrorKind::BadContent,
            "pads " + to_string(given) + " do not fit " + std::to_string(rank) + " dimensions");
    return given;
  }
  require(given.size() == 2 * axes.size(), ErrorKind::BadContent, "pads and axes differ in number");
  Shape pads(2 * rank, 0);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(axis_from_front(axes[i], rank));
    pads[axis] = given[i];
    pads[axis + rank] = given[i + axes.size()];
  }
  return pads;
}

/// A negative pad cuts.
ValueId cut(NodeCall& call, ValueId x, Shape& pads) {
  Shape starts, ends, axes;
  const Shape shape = call.shape(0);
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    Int& before = pads[dim];
    Int& after = pads[dim + shape.size()];
    starts.push_back(std::max<Int>(0, -before));
    ends.push_back(std::min(shape[dim], shape[dim] + after));
    axes.push_back(static_cast<Int>(dim));
    before = std::max<Int>(0, before);
    after = std::max<Int>(0, after);
    if (starts.back() >= ends.back()) call.refuse("its result is empty");
  }
  return slice_node(call, x, sliced(shape, starts, ends, axes, {}), "cut");
}

void pad(NodeCall& call) {
  Shape pads = pads_of(call, call.rank(0));
  const std::string mode = text_of(call.node, "mode", "constant");
  if (mode != "constant" && mode != "reflect" && mode != "edge" && mode != "wrap") {
    call.refuse("mode '" + mode + "'");
  }
  double fill = number_of(call.node, "value", 0);
  if (call.opset >= 11) fill = call.has(2) ? call.scalar(2) : 0;
  const ValueId x = cut(call, call.part(0), pads);
  if (std::all_of(pads.begin(), pads.end(), [](Int pad) { return pad == 0; })) {
    return call.result(x);
  }
  Attributes attributes{{"pads", pads}, {"mode", mode}};
  if (mode == "constant" && fill != 0) attributes.set("value", fill);
  call.result(call.emit("Pad", {x}, std::move(attributes)));
}

/// Every repeated dimension gets one of 1 before it, which is then broadcast.
void tile(NodeCall& call) {
  const Shape x = call.shape(0);
  const Shape& repeats = call.constant(1).integers;
  require(repeats.size() == x.size(), ErrorKind::BadContent, "repeats do not fit the shape");
  Shape open, repeated, result;
  for (std::size_t dim = 0; dim < x.size(); ++dim) {
    if (repeats[dim] <= 0) call.refuse("its result is empty");
    if (repeats[dim] > 1 && x[dim] > 1) {
      open.push_back(1);
      repeated.push_back(repeats[dim]);
    }
    open.push_back(x[dim]);
    repeated.push_back(x[dim] == 1 ? repeats[dim] : x[dim]);
    Int size = 0;
    require(!__builtin_mul_overflow(x[dim], repeats[dim], &size), ErrorKind::BadContent,
            "repeats are too large");
    result.push_back(size);
  }
  if (result == x) return call.alias(0);
  const ValueId all =
      call.emit("BroadcastTo", {call.view(call.part(0), open, "open")}, {{"shape", repeated}});
  call.result(call.view(all, result, "shape"));
}

}  // namespace

SlicedShape slice_of(NodeCall& call) {
  const Shape starts = call.integers("starts", 10, 1);
  const Shape ends = call.integers("ends", 10, 2);
  const Shape axes = call.integers("axes", 10, 3);
  const Shape steps = call.opset >= 10 && call.has(4) ? call.constant(4).integers : Shape{};
  return sliced(call.shape(0), starts, ends, axes, steps);
}

std::vector<OpRow> movement_rows() {
  return {{"Concat", 1, concat},
          {"Slice", 1, slice},
          {"Split", 2, split},
          {"Pad", 1, pad},
          {"Tile", 6, tile}};
}

}  // namespace mpsearch
