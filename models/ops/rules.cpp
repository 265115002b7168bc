#include "models/ops/rules.h"

#include <algorithm>

namespace mpsearch {
namespace {

[[noreturn]] void fail(std::string what) { throw Error(ErrorKind::BadContent, std::move(what)); }

}  // namespace

TensorType typed(DType dtype, Shape shape) {
  return {.shape = std::move(shape), .form = {.dtype = dtype, .layout = Layout::RowMajor}};
}

TensorType f32(Shape shape) { return typed(DType::F32, std::move(shape)); }

TensorType carried(const TensorType& type) {
  return typed(is_float(type.form.dtype) ? DType::F32 : type.form.dtype, type.shape);
}

void expect_shape(std::string_view what, const Shape& got, const Shape& expected) {
  if (got == expected) return;
  fail(std::string(what) + " has shape " + to_string(got) + ", expected " + to_string(expected));
}

void expect_dtype(std::string_view what, const TensorType& type, DType expected) {
  if (type.form.dtype == expected) return;
  fail(std::string(what) + " has type " + std::string(name_of(type.form.dtype)) + ", expected " +
       std::string(name_of(expected)));
}

void expect_count(TypeSpan inputs, std::size_t least, std::size_t most) {
  if (inputs.size() >= least && inputs.size() <= most) return;
  const std::string range =
      least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
  fail("the operator has " + std::to_string(inputs.size()) + " inputs, expected " + range);
}

void expect_record(std::string_view what, const TensorType& type, std::size_t bytes) {
  expect_dtype(what, type, DType::U8);
  expect_shape(what, type.shape, {static_cast<std::int64_t>(bytes)});
}

std::size_t axis_of(const Attributes& attributes, std::string_view name, std::size_t rank) {
  const std::int64_t axis = attributes.integer(name, -1);
  if (axis < 0 || axis >= static_cast<std::int64_t>(rank)) {
    fail(std::string(name) + " is " + std::to_string(axis) + ", expected 0 to less than the rank " +
         std::to_string(rank));
  }
  return static_cast<std::size_t>(axis);
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape shape = longer;
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    const std::int64_t one = longer[skip + i];
    const std::int64_t two = shorter[i];
    if (one != two && one != 1 && two != 1) {
      fail("shapes " + to_string(a) + " and " + to_string(b) +
           " do not broadcast: dimensions are compared from the last and must be equal or 1");
    }
    shape[skip + i] = one == 1 ? two : one;
  }
  return shape;
}

void expect_broadcast(const Shape& from, const Shape& to) {
  if (from.size() > to.size() || broadcast_shape(from, to) != to) {
    fail("shape " + to_string(from) + " does not broadcast to " + to_string(to));
  }
}

ValueId first_gradient(const GradientBuilder& builder, const Node& node) {
  return builder.gradient(node.outputs[0]);
}

Shape shape_of(GradientBuilder& builder, ValueId value) {
  return builder.graph().value(value).type.shape;
}

ValueId reshaped(GradientBuilder& builder, ValueId value, const Shape& shape) {
  if (shape_of(builder, value) == shape) return value;
  return builder.node("view", "Reshape", {value}, {{"shape", shape}});
}

ValueId summed_to(GradientBuilder& builder, ValueId gradient, const Shape& shape, double scale) {
  if (scale == 1 && shape_of(builder, gradient) == shape) return gradient;
  Attributes attributes{{"shape", shape}};
  if (scale != 1) attributes.set("scale", scale);
  return builder.node("sum_to", "SumTo", {gradient}, std::move(attributes));
}

}  // namespace mpsearch
