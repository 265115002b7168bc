// Operators that are made of others: depth and space, norms across channels, pools of powers.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

void require_float_image(const NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  require(call.rank(0) >= 3, ErrorKind::BadContent,
          "data of shape " + to_string(call.shape(0)) + " has no spatial dimension");
}

Shape spatial_axes(std::size_t rank) {
  Shape axes;
  for (std::size_t i = 2; i < rank; ++i) axes.push_back(static_cast<Int>(i));
  return axes;
}

Int block_of(const NodeCall& call) {
  const Int block = integer_of(call.node, "blocksize", 0);
  require(call.rank(0) == 4 && block >= 1, ErrorKind::BadContent,
          "a block of " + std::to_string(block) + " for data of shape " + to_string(call.shape(0)));
  return block;
}

/// Channels become pixels: DCR takes the block's place from the outer channels, CRD from the inner.
void depth_to_space(NodeCall& call) {
  const Int b = block_of(call);
  const Shape x = call.shape(0);
  require(x[1] % (b * b) == 0, ErrorKind::BadContent,
          "channels of " + to_string(x) + " are no multiple of " + std::to_string(b * b));
  const Int depth = x[1] / (b * b);
  const bool crd = text_of(call.node, "mode", "DCR") == "CRD";
  const Shape split =
      crd ? Shape{x[0], depth, b, b, x[2], x[3]} : Shape{x[0], b, b, depth, x[2], x[3]};
  const Shape perm = crd ? Shape{0, 1, 4, 2, 5, 3} : Shape{0, 3, 4, 1, 5, 2};
  const ValueId parts = call.view(call.data(0), split, "split");
  call.result(call.view(call.emit("Transpose", {parts}, {{"perm", perm}}),
                        {x[0], depth, x[2] * b, x[3] * b}, "joined"));
}

void space_to_depth(NodeCall& call) {
  const Int b = block_of(call);
  const Shape x = call.shape(0);
  require(x[2] % b == 0 && x[3] % b == 0, ErrorKind::BadContent,
          "pixels of " + to_string(x) + " are no multiple of " + std::to_string(b));
  const bool crd = text_of(call.node, "mode", "DCR") == "CRD";
  const Shape perm = crd ? Shape{0, 1, 3, 5, 2, 4} : Shape{0, 3, 5, 1, 2, 4};
  const ValueId parts = call.view(call.data(0), {x[0], x[1], x[2] / b, b, x[3] / b, b}, "split");
  call.result(call.view(call.emit("Transpose", {parts}, {{"perm", perm}}),
                        {x[0], x[1] * b * b, x[2] / b, x[3] / b}, "joined"));
}

void global_max_pool(NodeCall& call) {
  require_float_image(call);
  call.result(call.emit("ReduceMax", {call.data(0)}, {{"axes", spatial_axes(call.rank(0))}}));
}

/// |x|^p, or what is the same for p of 1 and 2.
ValueId power_of(NodeCall& call, double p) {
  const ValueId x = call.data(0);
  if (p == 2) return call.emit("Square", {x}, {}, "square");
  const ValueId size = call.emit("Abs", {x}, {}, "size");
  if (p == 1) return size;
  return call.emit("Pow", {size, call.scope.number(p, call.node.name() + ".p")}, {}, "power");
}

ValueId root_of(NodeCall& call, ValueId power, double p) {
  if (p == 1) return power;
  if (p == 2) return call.emit("Sqrt", {power}, {}, "root");
  return call.emit("Pow", {power, call.scope.number(1 / p, call.node.name() + ".root")}, {},
                   "root");
}

double p_of(const NodeCall& call) {
  const double otherwise = 2;
  // A float before opset 2.
  return call.opset < 2 ? number_of(call.node, "p", otherwise)
                        : static_cast<double>(integer_of(call.node, "p", 2));
}

void global_lp_pool(NodeCall& call) {
  require_float_image(call);
  const double p = p_of(call);
  const Attributes axes{{"axes", spatial_axes(call.rank(0))}};
  if (p == 2) return call.result(call.emit("ReduceL2", {call.data(0)}, axes));
  const ValueId sum = call.emit("ReduceSum", {power_of(call, p)}, axes, "sum");
  call.result(root_of(call, sum, p));
}

/// An average over all of the window, padding too, times its elements.
void lp_pool(NodeCall& call) {
  require_float_image(call);
  if (integer_of(call.node, "ceil_mode", 0) != 0) call.refuse("ceil_mode");
  const double p = p_of(call);
  Attributes window = window_attributes(call);
  window.set("count_include_pad", Int{1});
  const double count = static_cast<double>(elements_of(integers_of(call.node, "kernel_shape")));
  const ValueId mean = call.emit("AveragePool", {power_of(call, p)}, window, "mean");
  const ValueId sum = call.emit("Scale", {mean}, {{"factor", count}}, "sum");
  call.result(root_of(call, sum, p));
}

/// x / (bias + alpha mean(x^2))^beta, the mean over `size` channels, those beyond the ends as 0.
void local_response(NodeCall& call) {
  require_float_image(call);
  const Shape x = call.shape(0);
  const Int size = integer_of(call.node, "size", 0);
  require(size >= 1, ErrorKind::BadContent, "its size is " + std::to_string(size));
  const std::string& name = call.node.name();
  const ValueId data = call.data(0);
  const ValueId flat = call.view(call.emit("Square", {data}, {}, "square"),
                                 {x[0], 1, x[1], elements_of(x) / (x[0] * x[1])}, "flat");
  const Int before = (size - 1) / 2;
  const ValueId mean = call.emit("AveragePool", {flat},
                                 {{"kernel_shape", Shape{size, 1}},
                                  {"strides", Shape{1, 1}},
                                  {"pads", Shape{before, 0, size - 1 - before, 0}},
                                  {"count_include_pad", Int{1}}},
                                 "mean");
  const ValueId scaled = call.emit("Scale", {call.view(mean, x, "mean_view")},
                                   {{"factor", number_of(call.node, "alpha", 1e-4)}}, "scaled");
  const ValueId bias = call.scope.number(number_of(call.node, "bias", 1), name + ".bias");
  const ValueId beta = call.scope.number(-number_of(call.node, "beta", 0.75), name + ".beta");
  const ValueId base = call.emit("Add", {scaled, bias}, {}, "base");
  call.result(call.emit("Mul", {data, call.emit("Pow", {base, beta}, {}, "factor")}));
}

/// x / norm along an axis, 0 where the norm is. The least norm is F16's least number.
void lp_normalization(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  const Int axis = axis_from_front(integer_of(call.node, "axis", -1), call.rank(0));
  const Attributes axes{{"axes", Shape{axis}}};
  const ValueId x = call.data(0);
  const ValueId norm =
      integer_of(call.node, "p", 2) == 1
          ? call.emit("ReduceSum", {call.emit("Abs", {x}, {}, "size")}, axes, "norm")
          : call.emit("ReduceL2", {x}, axes, "norm");
  const ValueId positive = call.emit("Clip", {norm}, {{"min", 0x1p-24}}, "positive");
  call.result(call.emit("Div", {x, positive}));
}

/// 1 at the first of the largest elements: where a maximum's gradient goes.
void hardmax(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  const Shape x = call.shape(0);
  const Int axis =
      axis_from_front(integer_of(call.node, "axis", call.opset < 13 ? 1 : -1), x.size());
  Shape axes{axis};
  // Before opset 13 the dimensions from the axis on are one.
  for (Int i = axis + 1; call.opset < 13 && i < static_cast<Int>(x.size()); ++i) axes.push_back(i);
  const ValueId most = call.emit("ReduceMax", {call.data(0)}, {{"axes", axes}}, "largest");
  const ValueId index = call.scope.further_output(most, 1);
  Shape kept = x;
  for (const Int i : axes) kept[static_cast<std::size_t>(i)] = 1;
  const ValueId ones = call.scope.filled(1, kept, call.node.name() + ".ones");
  call.result(call.emit("ReduceMaxGrad", {ones, index}, {{"axes", axes}, {"input_shape", x}}));
}

}  // namespace

std::vector<OpRow> composite_rows() {
  return {{"DepthToSpace", 1, depth_to_space},
          {"SpaceToDepth", 1, space_to_depth},
          {"GlobalMaxPool", 1, global_max_pool},
          {"GlobalLpPool", 1, global_lp_pool},
          {"LpPool", 1, lp_pool},
          {"LRN", 1, local_response},
          {"LpNormalization", 1, lp_normalization},
          {"Hardmax", 1, hardmax}};
}

}  // namespace mpsearch
