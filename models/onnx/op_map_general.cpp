// Matrix products, element-wise operators, softmax, reductions, dropout.
#include <algorithm>
#include <limits>
#include <utility>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

/// Whether the product's operand is a weight behind a transposition of its last two dimensions,
/// which the product itself can make.
const onnx::NodeProto* transposition(const NodeCall& call, std::size_t input) {
  const onnx::NodeProto* mover = call.symbol(input).mover;
  if (mover == nullptr || mover->op_type() != "Transpose") return nullptr;
  const Shape perm = integers_of(*mover, "perm");
  const auto rank = static_cast<Int>(call.rank(input));
  for (Int i = 0; i < rank; ++i) {
    const Int swapped = i >= rank - 2 ? 2 * rank - 3 - i : i;
    if (perm.empty() ? rank != 2 : perm[static_cast<std::size_t>(i)] != swapped) return nullptr;
  }
  return rank >= 2 ? mover : nullptr;
}

ValueId product_operand(NodeCall& call, std::size_t input, Int& transposed) {
  const onnx::NodeProto* mover = transposition(call, input);
  if (mover == nullptr) return call.weight(input);
  transposed = 1 - transposed;
  return call.scope.value(mover->input(0), true);
}

void require_float(const NodeCall& call, std::size_t input) {
  if (!onnx_is_float(call.symbol(input).type)) call.refuse("integer tensors as data");
}

void gemm(NodeCall& call) {
  require_float(call, 0);
  require(call.rank(0) == 2 && call.rank(1) == 2, ErrorKind::BadContent,
          "a Gemm of other than matrices");
  Int trans_a = integer_of(call.node, "transA", 0) != 0 ? 1 : 0;
  Int trans_b = integer_of(call.node, "transB", 0) != 0 ? 1 : 0;
  const double beta = number_of(call.node, "beta", 1);
  std::vector<ValueId> inputs{product_operand(call, 0, trans_a), product_operand(call, 1, trans_b)};
  const bool bias = call.has(2) && beta != 0 && !call.is_zero(2);
  if (bias) inputs.push_back(call.weight(2));
  Attributes attributes{{"transA", trans_a}, {"transB", trans_b}};
  const double alpha = number_of(call.node, "alpha", 1);
  if (alpha != 1) attributes.set("alpha", alpha);
  if (bias && beta != 1) attributes.set("beta", beta);
  call.result(call.emit("MatMul", inputs, attributes));
}

void matmul(NodeCall& call) {
  require_float(call, 0);
  Int trans_a = 0;
  Int trans_b = 0;
  ValueId a = product_operand(call, 0, trans_a);
  ValueId b = product_operand(call, 1, trans_b);
  // A vector is a row in front, a column behind; its dimension is left out of the result.
  const bool row = call.rank(0) == 1;
  const bool column = call.rank(1) == 1;
  if (row) a = call.view(a, {1, call.shape(0)[0]}, "row");
  if (column) b = call.view(b, {call.shape(1)[0], 1}, "column");
  const ValueId y = call.emit("MatMul", {a, b}, {{"transA", trans_a}, {"transB", trans_b}});
  Shape shape = call.scope.model.graph.value(y).type.shape;
  if (column) shape.pop_back();
  if (row) shape.erase(shape.end() - (column ? 1 : 2));
  call.result(call.view(y, shape, "vector"));
}

/// Before opset 7, b is aligned with a at `axis`, not at the end.
ValueId aligned(NodeCall& call, ValueId b) {
  if (call.opset >= 7 || integer_of(call.node, "broadcast", 0) == 0) return b;
  const Shape& a = call.shape(0);
  Shape shape = call.shape(1);
  const Int axis =
      integer_of(call.node, "axis", static_cast<Int>(a.size()) - static_cast<Int>(shape.size()));
  const std::size_t wanted =
      a.size() - static_cast<std::size_t>(axis_from_front(axis, a.size() + 1));
  while (shape.size() < wanted) shape.push_back(1);
  return call.view(b, shape, "aligned");
}

void elementwise(NodeCall& call) {
  require_float(call, 0);
  require_float(call, 1);
  const ValueId a = call.operand(0);
  const ValueId b = call.operand(1);
  call.result(call.emit(call.node.op_type(), {a, aligned(call, b)}));
}

/// x * x has one gradient, where a product of two would make two halves and their sum.
void multiply(NodeCall& call) {
  const bool square = call.inputs() == 2 && call.node.input(0) == call.node.input(1);
  if (!square) return elementwise(call);
  require_float(call, 0);
  call.result(call.emit("Square", {call.operand(0)}));
}

void sum(NodeCall& call) {
  for (std::size_t i = 0; i < call.inputs(); ++i) require_float(call, i);
  ValueId total = call.data(0);
  for (std::size_t i = 1; i < call.inputs(); ++i) total = call.emit("Add", {total, call.data(i)});
  if (call.inputs() == 1) return call.alias(0);
  if (call.node.op_type() == "Mean") {
    total =
        call.emit("Scale", {total}, {{"factor", 1.0 / static_cast<double>(call.inputs())}}, "mean");
  }
  call.result(total);
}

void gelu(NodeCall& call) {
  require_float(call, 0);
  const bool tanh = text_of(call.node, "approximate", "none") == "tanh";
  call.result(call.emit(tanh ? "GeluTanh" : "Gelu", {call.data(0)}));
}

void clip_between(NodeCall& call, double low, double high) {
  require_float(call, 0);
  call.result(call.emit("Clip", {call.data(0)}, {{"min", low}, {"max", high}}));
}

constexpr double kLargest = std::numeric_limits<float>::max();

void clip_attributes(NodeCall& call) {
  clip_between(call, number_of(call.node, "min", -kLargest), number_of(call.node, "max", kLargest));
}

void clip_inputs(NodeCall& call) {
  const auto computed = [&](std::size_t i) { return call.has(i) && !call.symbol(i).at_import(); };
  if (computed(1) || computed(2)) {
    require_float(call, 0);
    ValueId x = call.data(0);
    if (call.has(1)) x = call.emit("Max", {x, call.data(1)}, {}, "low");
    if (call.has(2)) x = call.emit("Min", {x, call.data(2)}, {}, "high");
    return call.result(x);
  }
  const double low = call.has(1) ? call.scalar(1) : -kLargest;
  const double high = call.has(2) ? call.scalar(2) : kLargest;
  clip_between(call, low, high);
}

/// Whether input `index` is a scalar constant that bounds the other of two without changing its
/// shape.
bool bounds(NodeCall& call, std::size_t index) {
  return call.inputs() == 2 && call.symbol(index).at_import() &&
         !call.symbol(1 - index).at_import() && elements_of(call.shape(index)) == 1 &&
         call.rank(index) <= call.rank(1 - index);
}

/// Max and Min: with a constant on one side a Clip, which saves a mask, else pair by pair.
void extreme(NodeCall& call) {
  for (std::size_t i = 0; i < call.inputs(); ++i) require_float(call, i);
  if (call.inputs() == 1) return call.alias(0);
  const bool most = call.node.op_type() == "Max";
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (!bounds(call, i)) continue;
    const double bound = call.scalar(i);
    const Attributes attributes{{"min", most ? bound : -kLargest},
                                {"max", most ? kLargest : bound}};
    return call.result(call.emit("Clip", {call.data(1 - i)}, attributes));
  }
  ValueId result = call.data(0);
  for (std::size_t i = 1; i < call.inputs(); ++i) {
    result = call.emit(call.node.op_type(), {result, call.data(i)});
  }
  call.result(result);
}

/// Squares and roots have operators of their own.
void power(NodeCall& call) {
  require_float(call, 0);
  const bool scalar =
      call.symbol(1).at_import() && elements_of(call.shape(1)) == 1 && call.rank(1) <= call.rank(0);
  const double exponent = scalar ? call.scalar(1) : 0;
  if (exponent == 1) return call.alias(0);
  for (const auto& [value, op] : {std::pair{2.0, "Square"}, {0.5, "Sqrt"}, {-1.0, "Reciprocal"}}) {
    if (exponent == value) return call.result(call.emit(op, {call.weight(0)}));
  }
  const bool whole = scalar && !onnx_is_float(call.symbol(1).type);
  if (!whole) require_float(call, 1);
  const ValueId by =
      whole ? call.scope.number(exponent, call.node.name() + ".exponent") : call.operand(1);
  call.result(call.emit("Pow", {call.operand(0), aligned(call, by)}));
}

/// Before opset 7 a slope of one dimension belongs to the channels.
void prelu(NodeCall& call) {
  require_float(call, 0);
  ValueId slope = call.weight(1);
  const Shape& of = call.shape(1);
  if (call.opset < 7 && of.size() == 1 && of[0] > 1 && call.rank(0) > 2) {
    Shape channels(call.rank(0) - 1, 1);
    channels[0] = of[0];
    slope = call.view(slope, channels, "slope");
  }
  call.result(call.emit("PRelu", {call.data(0), slope}));
}

/// Before opset 13 the dimensions from `axis` on are one.
void softmax_coerced(NodeCall& call) {
  require_float(call, 0);
  const Shape shape = call.shape(0);
  const Int axis = axis_from_front(integer_of(call.node, "axis", 1), shape.size());
  const std::string& op = call.node.op_type();
  if (axis + 1 == static_cast<Int>(shape.size())) {
    call.result(call.emit(op, {call.data(0)}, {{"axis", axis}}));
    return;
  }
  const ValueId flat = call.view(call.data(0), flattened(shape, axis), "flat");
  call.result(call.view(call.emit(op, {flat}, {{"axis", Int{1}}}), shape, "shape"));
}

void softmax(NodeCall& call) {
  require_float(call, 0);
  const Int axis = axis_from_front(integer_of(call.node, "axis", -1), call.rank(0));
  call.result(call.emit(call.node.op_type(), {call.data(0)}, {{"axis", axis}}));
}

/// All axes where none are given, unless the file says that none means none.
Shape reduced_axes(NodeCall& call, int axes_since) {
  Shape axes = axes_from_front(call.integers("axes", axes_since, 1), call.rank(0));
  if (axes.empty() && integer_of(call.node, "noop_with_empty_axes", 0) == 0) {
    for (std::size_t i = 0; i < call.rank(0); ++i) axes.push_back(static_cast<Int>(i));
  }
  return axes;
}

/// `reduce` of what `before` makes of the input, and `after` of that, where they are given.
void reduce_as(NodeCall& call, int axes_since, std::string_view before, std::string_view reduce,
               std::string_view after) {
  require_float(call, 0);
  const Shape axes = reduced_axes(call, axes_since);
  ValueId value = call.data(0);
  if (!before.empty()) value = call.emit(before, {value});
  value = call.emit(reduce, {value},
                    {{"axes", axes}, {"keepdims", integer_of(call.node, "keepdims", 1)}});
  if (!after.empty()) value = call.emit(after, {value});
  call.result(value);
}

void reduce(NodeCall& call) {
  const std::string& op = call.node.op_type();
  reduce_as(call, op == "ReduceSum" ? 13 : 18, "", op, "");
}

void reduce_l1(NodeCall& call) { reduce_as(call, 18, "Abs", "ReduceSum", ""); }
void reduce_square(NodeCall& call) { reduce_as(call, 18, "Square", "ReduceSum", ""); }
void reduce_log(NodeCall& call) { reduce_as(call, 18, "", "ReduceSum", "Log"); }

/// The same dropout of ones tells what was kept: all in evaluation. Elements are counted in the
/// order of memory, so both are made of vectors.
void dropout_with_mask(NodeCall& call, const Attributes& attributes) {
  const Shape shape = call.shape(0);
  const Shape flat{elements_of(shape)};
  const ValueId kept = call.emit("Dropout", {call.view(call.data(0), flat, "flat")}, attributes);
  call.result(call.view(kept, shape, "shape"));
  const ValueId ones =
      call.emit("BroadcastTo", {call.scope.filled(1, {1}, call.node.name() + ".one")},
                {{"shape", flat}}, "ones");
  const ValueId scaled = call.emit("Dropout", {ones}, attributes, "of_ones");
  ValueId mask =
      call.emit("Greater", {scaled, call.scope.number(0, call.node.name() + ".zero")}, {}, "kept");
  if (call.opset < 10) mask = call.emit("CastTo", {mask}, {{"to", std::string("F32")}}, "float");
  call.result(1, call.view(mask, shape, "mask"));
}

/// Active in training whatever mode the file was exported in.
void dropout(NodeCall& call) {
  require_float(call, 0);
  double ratio = number_of(call.node, "ratio", 0.5);
  if (call.opset >= 12 && call.has(1)) ratio = call.scalar(1);
  require(ratio >= 0 && ratio < 1, ErrorKind::BadContent,
          "its ratio is " + std::to_string(ratio) + ", expected 0 to less than 1");
  if (ratio == 0) {
    if (call.uses_output(1)) {
      HostTensor all = host_tensor(onnx::TensorProto::BOOL, call.shape(0));
      std::ranges::fill(all.integers, 1);
      call.result(1, call.scope.constant_tensor(all, call.node.name() + ".mask"));
    }
    return call.alias(0);
  }
  ++call.scope.noted["{} Dropout nodes are active in training"];
  const Attributes attributes{{"ratio", ratio}, {"stream", call.scope.dropouts++}};
  if (call.uses_output(1)) return dropout_with_mask(call, attributes);
  call.result(call.emit("Dropout", {call.data(0)}, attributes));
}

}  // namespace

std::vector<OpRow> general_rows() {
  return {
      {"Gemm", 1, gemm},
      {"MatMul", 1, matmul},
      {"Add", 1, elementwise},
      {"Sub", 1, elementwise},
      {"Mul", 1, multiply},
      {"Div", 1, elementwise},
      {"Sum", 1, sum},
      {"Clip", 1, clip_attributes},
      {"Clip", 11, clip_inputs},
      {"Mean", 1, sum},
      {"Max", 1, extreme},
      {"Min", 1, extreme},
      {"Pow", 1, power},
      {"PRelu", 1, prelu},
      {"Gelu", 20, gelu},
      {"Softmax", 1, softmax_coerced},
      {"Softmax", 13, softmax},
      {"LogSoftmax", 1, softmax_coerced},
      {"LogSoftmax", 13, softmax},
      {"ReduceMean", 1, reduce},
      {"ReduceSum", 1, reduce},
      {"ReduceL1", 1, reduce_l1},
      {"ReduceL2", 1, reduce},
      {"ReduceLogSum", 1, reduce_log},
      {"ReduceLogSumExp", 1, reduce},
      {"ReduceMax", 1, reduce},
      {"ReduceMin", 1, reduce},
      {"ReduceProd", 1, reduce},
      {"ReduceSumSquare", 1, reduce_square},
      {"Dropout", 1, dropout},
  };
}

}  // namespace mpsearch
