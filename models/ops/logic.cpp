#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

TensorType i64(Shape shape) { return typed(DType::I64, std::move(shape)); }
TensorType truth(Shape shape) { return typed(DType::BOOL, std::move(shape)); }

/// Two floats, two integers or two truth values to a truth value.
Types infer_compare(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_dtype("the second input", carried(inputs[1]), carried(inputs[0]).form.dtype);
  return {truth(broadcast_shape(inputs[0].shape, inputs[1].shape))};
}

template <DType Of>
Types infer_of_two(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  for (const TensorType& input : inputs) expect_dtype("an input", input, Of);
  return {typed(Of, broadcast_shape(inputs[0].shape, inputs[1].shape))};
}

Types infer_test(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {truth(inputs[0].shape)};
}

Types infer_where(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 3, 3);
  expect_dtype("the condition", inputs[0], DType::BOOL);
  expect_dtype("the third input", carried(inputs[2]), carried(inputs[1]).form.dtype);
  const Shape either = broadcast_shape(inputs[1].shape, inputs[2].shape);
  return {typed(carried(inputs[1]).form.dtype, broadcast_shape(inputs[0].shape, either))};
}

void where_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  for (const std::size_t input : {1, 2}) {
    const ValueId to = node.inputs[input];
    if (!builder.wanted(to)) continue;
    const Int when = input == 1 ? 1 : 0;
    const ValueId kept =
        builder.node(input == 1 ? "da" : "db", "Keep", {dy, node.inputs[0]}, {{"when", when}});
    builder.add(to, reduce_to(builder, kept, to));
  }
}

Types infer_keep(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_dtype("the condition", inputs[1], DType::BOOL);
  expect_broadcast(inputs[1].shape, inputs[0].shape);
  return {f32(inputs[0].shape)};
}

void keep_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(
      node.inputs[0],
      builder.node("dx", "Keep", {first_gradient(builder, node), node.inputs[1]}, node.attributes));
}

/// "I64", "BOOL" or "F32".
DType dtype_named(const std::string& name) {
  for (const DType dtype : {DType::I64, DType::BOOL, DType::F32}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw Error(ErrorKind::BadContent, "a conversion to '" + name + "'");
}

Types infer_cast_to(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {typed(dtype_named(attributes.text("to", "")), inputs[0].shape)};
}

Types infer_one_hot(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  expect_dtype("the indices", inputs[0], DType::I64);
  const std::size_t axis = axis_of(attributes, "axis", inputs[0].shape.size() + 1);
  const Int depth = attributes.integer("depth", 0);
  require(depth > 0, ErrorKind::BadContent, "a OneHot of depth " + std::to_string(depth));
  Shape y = inputs[0].shape;
  y.insert(y.begin() + static_cast<std::ptrdiff_t>(axis), depth);
  return {typed(dtype_named(attributes.text("to", "F32")), y)};
}

Types infer_arg_max(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  Shape y = inputs[0].shape;
  const std::size_t axis = axis_of(attributes, "axis", y.size());
  require(y[axis] > 0, ErrorKind::BadContent, "the greatest of nothing");
  if (attributes.integer("keepdims", 1) != 0) {
    y[axis] = 1;
  } else {
    y.erase(y.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  return {i64(y)};
}

template <auto Of>
std::vector<OpSample> pair_samples() {
  return {{"same", {}, {Of({2, 3, 4}), Of({2, 3, 4})}},
          {"row", {}, {Of({5, 7}), Of({7})}},
          {"both_ways", {}, {Of({4, 1}), Of({3})}},
          {"scalar", {}, {Of({6}), Of({})}},
          {"image", {}, {Of({2, 3, 4, 5}), Of({2, 3, 4, 5})}}};
}

std::vector<OpSample> compare_samples() {
  std::vector<OpSample> samples = pair_samples<f32>();
  for (OpSample sample : pair_samples<i64>()) {
    sample.name = "integers_" + sample.name;
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::vector<OpSample> test_samples() {
  return {{"matrix", {}, {f32({5, 7})}}, {"image", {}, {f32({2, 3, 4, 5})}}};
}

std::vector<OpSample> where_samples() {
  return {{"same", {}, {truth({2, 3, 4, 5}), f32({2, 3, 4, 5}), f32({2, 3, 4, 5})}},
          {"mask", {}, {truth({1, 1, 4, 4}), f32({2, 3, 4, 4}), f32({})}},
          {"causal", {}, {truth({6, 6}), f32({2, 6, 6}), f32({1})}},
          {"all_ways", {}, {truth({5, 1}), f32({1, 7}), f32({3, 1, 1})}},
          {"integers", {}, {truth({3, 4}), i64({4}), i64({3, 1})}}};
}

std::vector<OpSample> keep_samples() {
  return {{"same", {{"when", Int{1}}}, {f32({2, 3, 4, 5}), truth({2, 3, 4, 5})}},
          {"mask", {{"when", Int{0}}}, {f32({2, 3, 4, 4}), truth({4, 4})}},
          {"rows", {{"when", Int{1}}}, {f32({5, 7}), truth({5, 1})}}};
}

std::vector<OpSample> cast_to_samples() {
  const auto to = [](const char* name, Int bits = 0) {
    return Attributes{{"to", std::string(name)}, {"bits", bits}};
  };
  return {{"float_to_integer", to("I64"), {f32({5, 7})}, -300, 300},
          {"float_to_truth", to("BOOL"), {f32({2, 3, 4, 5})}},
          {"float_to_byte", to("I64", -8), {f32({5, 7})}, -900, 900},
          {"integer_to_float", to("F32"), {i64({5, 7})}},
          {"integer_to_truth", to("BOOL"), {i64({5, 7})}},
          {"integer_to_i8", to("I64", 8), {i64({5, 7})}, -300, 300},
          {"integer_to_i4", to("I64", 4), {i64({5, 7})}, -20, 20},
          {"float_to_u2", to("I64", -2), {f32({5, 7})}, -9, 9},
          {"truth_to_float", to("F32"), {truth({2, 3, 4, 5})}},
          {"truth_to_integer", to("I64"), {truth({600})}}};
}

std::vector<OpSample> one_hot_samples() {
  const auto at = [](Int axis, Int depth) {
    return Attributes{{"axis", axis}, {"depth", depth}, {"on", 2.0}, {"off", -0.5}};
  };
  return {{"last", at(2, 7), {i64({3, 4})}},
          {"first", at(0, 5), {i64({3, 4})}},
          {"middle", at(1, 4), {i64({2, 3})}},
          {"one", at(0, 4), {i64({1})}}};
}

std::vector<OpSample> arg_max_samples() {
  const auto at = [](Int axis, Int keep) { return Attributes{{"axis", axis}, {"keepdims", keep}}; };
  return {{"last", at(1, 0), {f32({5, 33})}},
          {"middle", at(1, 1), {f32({2, 6, 4})}},
          {"vector", at(0, 0), {f32({40})}}};
}

Types infer_top_k(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  Shape y = inputs[0].shape;
  const std::size_t axis = axis_of(attributes, "axis", y.size());
  const Int k = attributes.integer("k", 1);
  require(k > 0 && k <= y[axis], ErrorKind::BadContent,
          "the greatest " + std::to_string(k) + " of " + std::to_string(y[axis]) + " elements");
  y[axis] = k;
  return {i64(y)};
}

std::vector<OpSample> top_k_samples() {
  const auto of = [](Int axis, Int k, Int largest) {
    return Attributes{{"axis", axis}, {"k", k}, {"largest", largest}};
  };
  return {{"last", of(1, 3, 1), {f32({5, 33})}},
          {"least_of_the_middle", of(1, 4, 0), {f32({2, 6, 4})}},
          {"sorted", of(0, 40, 1), {f32({40})}}};
}

OpDef without_gradient(std::string_view name, std::vector<Role> inputs,
                       Types (*infer)(const Attributes&, TypeSpan),
                       std::vector<OpSample> (*samples)(), LayoutRule layout = LayoutRule::Follow) {
  return {.name = name,
          .inputs = std::move(inputs),
          .outputs = {Role::Carrier},
          .infer = infer,
          .flops = per_output<1>,
          .samples = samples,
          .layout = layout};
}

}  // namespace

std::vector<OpDef> logic_ops() {
  using enum Role;
  std::vector<OpDef> ops{
      {.name = "Where",
       .inputs = {Own, Carrier, Carrier},
       .outputs = {Carrier},
       .infer = infer_where,
       .gradient = where_gradient,
       .flops = per_output<1>,
       .samples = where_samples},
      {.name = "Keep",
       .inputs = {Carrier, Own},
       .outputs = {Carrier},
       .infer = infer_keep,
       .gradient = keep_gradient,
       .flops = per_output<1>,
       .samples = keep_samples},
      without_gradient("CastTo", {Carrier}, infer_cast_to, cast_to_samples),
      without_gradient("OneHot", {Own}, infer_one_hot, one_hot_samples, LayoutRule::RowMajor),
      without_gradient("ArgMax", {Carrier}, infer_arg_max, arg_max_samples, LayoutRule::RowMajor),
      without_gradient("ArgMin", {Carrier}, infer_arg_max, arg_max_samples, LayoutRule::RowMajor),
      without_gradient("TopK", {Carrier}, infer_top_k, top_k_samples, LayoutRule::RowMajor),
      without_gradient("IsNaN", {Carrier}, infer_test, test_samples),
      without_gradient("IsInf", {Carrier}, infer_test, test_samples)};
  for (const char* name : {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}) {
    ops.push_back(without_gradient(name, {Carrier}, infer_compare, compare_samples));
  }
  for (const char* name : {"And", "Or", "Xor"}) {
    ops.push_back(without_gradient(name, {Own}, infer_of_two<DType::BOOL>, pair_samples<truth>));
  }
  for (const char* name :
       {"IntegerAdd", "IntegerSub", "IntegerMul", "IntegerDiv", "IntegerMod", "IntegerRemainder",
        "IntegerMin", "IntegerMax", "BitwiseAnd", "BitwiseOr", "BitwiseXor"}) {
    ops.push_back(without_gradient(name, {Own}, infer_of_two<DType::I64>, pair_samples<i64>));
  }
  return ops;
}

}  // namespace mpsearch
