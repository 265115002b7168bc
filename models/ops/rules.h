// What the operators' rules share: checks with one wording, types, broadcasting, views of
// gradients. Used by the files of this folder alone.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/error.h"
#include "models/gradient.h"
#include "models/op.h"

namespace mpsearch {

using Types = std::vector<TensorType>;
using TypeSpan = std::span<const TensorType>;

TensorType typed(DType dtype, Shape shape);
TensorType f32(Shape shape);

/// `type` where its dtype is its own (integers, masks), else F32 of the same shape.
TensorType carried(const TensorType& type);

/// Throws BadContent "WHAT is GOT, expected EXPECTED" unless the two shapes are the same.
void expect_shape(std::string_view what, const Shape& got, const Shape& expected);

/// Throws BadContent unless `type` has this dtype.
void expect_dtype(std::string_view what, const TensorType& type, DType expected);

/// Throws BadContent unless there are `least` to `most` inputs.
void expect_count(TypeSpan inputs, std::size_t least, std::size_t most);

/// Throws BadContent unless `type` is the U8 tensor of one record of `bytes` bytes.
void expect_record(std::string_view what, const TensorType& type, std::size_t bytes);

/// Attribute `name`, an axis of a tensor of this rank, counted from the front. Throws BadContent.
std::size_t axis_of(const Attributes& attributes, std::string_view name, std::size_t rank);

/// Common shape of the two by numpy's rules. Throws BadContent.
Shape broadcast_shape(const Shape& a, const Shape& b);

/// Throws BadContent unless `from` broadcasts to `to`.
void expect_broadcast(const Shape& from, const Shape& to);

/// Gradient of a node's first output.
ValueId first_gradient(const GradientBuilder& builder, const Node& node);

Shape shape_of(GradientBuilder& builder, ValueId value);

/// The value seen in another shape: a Reshape, or the value itself where it has the shape.
ValueId reshaped(GradientBuilder& builder, ValueId value, const Shape& shape);

/// `gradient` summed to `shape`, times `scale`; itself where there is nothing to do.
ValueId summed_to(GradientBuilder& builder, ValueId gradient, const Shape& shape, double scale = 1);

/// Floating-point operations: `Count` an element of the first input, or of the first output.
template <int Count>
double per_input(const Attributes&, TypeSpan inputs, TypeSpan) {
  return Count * static_cast<double>(inputs[0].elements());
}
template <int Count>
double per_output(const Attributes&, TypeSpan, TypeSpan outputs) {
  return Count * static_cast<double>(outputs[0].elements());
}
inline double no_flops(const Attributes&, TypeSpan, TypeSpan) { return 0; }

}  // namespace mpsearch
