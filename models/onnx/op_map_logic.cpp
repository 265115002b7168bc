// Comparisons, logic, selection and integers: what has no gradient of its own.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

bool is_float(const NodeCall& call, std::size_t input) {
  return onnx_is_float(call.symbol(input).type);
}

bool is_truth(const NodeCall& call, std::size_t input) {
  return call.symbol(input).type == onnx::TensorProto::BOOL;
}

/// A result in integers keeps the type that the file gives it.
void typed_result(NodeCall& call, ValueId value, int type) {
  call.scope.define_value(call.node.output(0), value, type);
}

ValueId comparable(NodeCall& call, std::size_t input) {
  if (is_float(call, input)) return call.data(input);
  return is_truth(call, input) ? call.truth(input) : call.integer(input);
}

void compare(NodeCall& call) {
  const ValueId a = comparable(call, 0);
  call.result(call.emit(call.node.op_type(), {a, comparable(call, 1)}));
}

void logic(NodeCall& call) {
  const ValueId a = call.truth(0);
  call.result(call.emit(call.node.op_type(), {a, call.truth(1)}));
}

void negation(NodeCall& call) {
  const ValueId no = call.scope.constant_tensor({onnx::TensorProto::BOOL, {}, {0}, {}},
                                                call.node.name() + ".false");
  call.result(call.emit("Equal", {call.truth(0), no}));
}

/// The condition chooses; a weight behind it trains.
void where(NodeCall& call) {
  const ValueId condition = call.truth(0);
  if (is_float(call, 1)) {
    const ValueId a = call.part(1);
    return call.result(call.emit("Where", {condition, a, call.part(2)}));
  }
  const int type = call.symbol(1).type;
  const ValueId a = comparable(call, 1);
  typed_result(call, call.emit("Where", {condition, a, comparable(call, 2)}), type);
}

void test(NodeCall& call) {
  Attributes attributes;
  for (const char* name : {"detect_negative", "detect_positive"}) {
    if (call.node.op_type() == "IsInf") attributes.set(name, integer_of(call.node, name, 1));
  }
  call.result(call.emit(call.node.op_type(), {call.data(0)}, std::move(attributes)));
}

void arg_max(NodeCall& call) {
  const Int axis = axis_from_front(integer_of(call.node, "axis", 0), call.rank(0));
  const ValueId x = is_float(call, 0) ? call.data(0)
                                      : call.emit("CastTo", {call.integer(0)},
                                                  {{"to", std::string("F32")}}, "f32");
  call.result(call.emit(call.node.op_type(), {x},
                        {{"axis", axis},
                         {"keepdims", integer_of(call.node, "keepdims", 1)},
                         {"select_last_index", integer_of(call.node, "select_last_index", 0)}}));
}

// ---- Integer arithmetic

/// Bits of an ONNX integer type, negative without a sign; 0 for 64 bits.
Int bits_of_type(int type) {
  switch (type) {
    case onnx::TensorProto::INT2:
      return 2;
    case onnx::TensorProto::UINT2:
      return -2;
    case onnx::TensorProto::INT4:
      return 4;
    case onnx::TensorProto::UINT4:
      return -4;
    case onnx::TensorProto::INT8:
      return 8;
    case onnx::TensorProto::UINT8:
      return -8;
    case onnx::TensorProto::INT16:
      return 16;
    case onnx::TensorProto::UINT16:
      return -16;
    case onnx::TensorProto::INT32:
      return 32;
    case onnx::TensorProto::UINT32:
      return -32;
    default:
      return 0;
  }
}

/// A result of narrow integers wraps as the file's type does.
void wrapped_result(NodeCall& call, ValueId value, int type) {
  const Int bits = bits_of_type(type);
  if (bits != 0) {
    value = call.emit("CastTo", {value}, {{"to", std::string("I64")}, {"bits", bits}}, "wrapped");
  }
  typed_result(call, value, type);
}

/// The operator on every further input in turn.
void fold_integers(NodeCall& call, std::string_view op) {
  const int type = call.symbol(0).type;
  ValueId total = call.integer(0);
  for (std::size_t i = 1; i < call.inputs(); ++i) {
    total = call.emit(op, {total, call.integer(i)});
  }
  wrapped_result(call, total, type);
}

void add(NodeCall& call) { fold_integers(call, "IntegerAdd"); }
void subtract(NodeCall& call) { fold_integers(call, "IntegerSub"); }
void multiply(NodeCall& call) { fold_integers(call, "IntegerMul"); }
void divide(NodeCall& call) { fold_integers(call, "IntegerDiv"); }
void least(NodeCall& call) { fold_integers(call, "IntegerMin"); }
void greatest(NodeCall& call) { fold_integers(call, "IntegerMax"); }
void bitwise(NodeCall& call) { fold_integers(call, call.node.op_type()); }

void modulo(NodeCall& call) {
  const bool as_in_c = integer_of(call.node, "fmod", 0) != 0;
  fold_integers(call, as_in_c ? "IntegerRemainder" : "IntegerMod");
}

ValueId integer_scalar(NodeCall& call, Int value, const std::string& suffix) {
  return call.scope.constant_tensor({onnx::TensorProto::INT64, {}, {value}, {}},
                                    call.node.name() + "." + suffix);
}

void negative(NodeCall& call) {
  const int type = call.symbol(0).type;
  const ValueId zero = integer_scalar(call, 0, "zero");
  wrapped_result(call, call.emit("IntegerSub", {zero, call.integer(0)}), type);
}

void absolute(NodeCall& call) {
  const int type = call.symbol(0).type;
  const ValueId x = call.integer(0);
  const ValueId minus =
      call.emit("IntegerSub", {integer_scalar(call, 0, "zero"), x}, {}, "negative");
  wrapped_result(call, call.emit("IntegerMax", {x, minus}), type);
}

void inverted_bits(NodeCall& call) {
  const int type = call.symbol(0).type;
  wrapped_result(call, call.emit("BitwiseXor", {call.integer(0), integer_scalar(call, -1, "ones")}),
                 type);
}

void clip(NodeCall& call) {
  const int type = call.symbol(0).type;
  ValueId x = call.integer(0);
  if (call.has(1)) x = call.emit("IntegerMax", {x, call.integer(1)}, {}, "above");
  if (call.has(2)) x = call.emit("IntegerMin", {x, call.integer(2)}, {}, "below");
  typed_result(call, x, type);
}

// ---- Casts

void cast_between(NodeCall& call, int to) {
  const int from = call.symbol(0).type;
  if (onnx_is_float(from) && onnx_is_float(to)) {
    if (from != to) ++call.scope.noted["{} casts between floats change nothing: the plan decides"];
    return call.alias(0);
  }
  if (!onnx_is_float(to) && !onnx_is_integer(to)) {
    call.refuse("values become " + onnx_type_name(to));
  }
  if (to == from) return call.alias(0);
  const char* dtype = onnx_is_float(to) ? "F32" : to == onnx::TensorProto::BOOL ? "BOOL" : "I64";
  Attributes attributes{{"to", std::string(dtype)}};
  if (const Int bits = bits_of_type(to); bits != 0) attributes.set("bits", bits);
  typed_result(call, call.emit("CastTo", {call.data(0)}, std::move(attributes)), to);
}

void cast(NodeCall& call) {
  cast_between(call, static_cast<int>(integer_of(call.node, "to", onnx::TensorProto::FLOAT)));
}

void cast_like(NodeCall& call) { cast_between(call, call.symbol(1).type); }

}  // namespace

std::vector<OpRow> logic_rows() {
  return {{"Equal", 1, compare},
          {"Less", 1, compare},
          {"LessOrEqual", 12, compare},
          {"Greater", 1, compare},
          {"GreaterOrEqual", 12, compare},
          {"And", 7, logic},
          {"Or", 7, logic},
          {"Xor", 7, logic},
          {"Not", 1, negation},
          {"Where", 9, where},
          {"IsNaN", 9, test},
          {"IsInf", 10, test},
          {"ArgMax", 1, arg_max},
          {"ArgMin", 1, arg_max},
          {"Cast", 6, cast},
          {"CastLike", 15, cast_like}};
}

std::vector<OpRow> integer_rows() {
  return {{"Add", 7, add},
          {"Sub", 7, subtract},
          {"Mul", 7, multiply},
          {"Div", 7, divide},
          {"Mod", 10, modulo},
          {"Min", 8, least},
          {"Max", 8, greatest},
          {"Sum", 8, add},
          {"Neg", 6, negative},
          {"Abs", 6, absolute},
          {"Clip", 12, clip},
          {"BitwiseAnd", 18, bitwise},
          {"BitwiseOr", 18, bitwise},
          {"BitwiseXor", 18, bitwise},
          {"BitwiseNot", 18, inverted_bits}};
}

}  // namespace mpsearch
