// Shape rules that folding and the op map share. Each throws BadContent with got and expected; the
// caller adds the node. Internal to models/onnx.
#pragma once

#include <span>

#include "kernels/tensor.h"

namespace mpsearch {

/// `axis` counted from the front of a tensor of `rank` dimensions.
std::int64_t axis_from_front(std::int64_t axis, std::size_t rank);

/// Axes counted from the front and sorted. Throws for one that occurs twice.
Shape axes_from_front(const Shape& axes, std::size_t rank);

/// Target of a Reshape with its 0 and -1 resolved.
Shape reshaped(const Shape& from, const Shape& target, bool allow_zero);

/// Result of a Reshape whose literal target was written for another batch: `from` became `result`
/// at the first of `batches`; what it becomes where its input has the shape `now`. The two shapes
/// are cut into the shortest runs of dimensions with equal products; where a run's input changed,
/// one output dimension changes with it: the one of the first size in `batches` (sizes that changed
/// with the batch elsewhere), else the first that divides. Empty where none does.
Shape rescaled(const Shape& from, const Shape& result, const Shape& now,
               std::span<const std::int64_t> batches);

Shape squeezed(const Shape& from, const Shape& axes);  // no axes: every dimension of 1
Shape unsqueezed(const Shape& from, const Shape& axes);
Shape flattened(const Shape& from, std::int64_t axis);  // two dimensions

/// By numpy's rules.
Shape broadcast(const Shape& a, const Shape& b);

/// A slice with every dimension's first element, step and size.
struct SlicedShape {
  Shape starts, steps, shape;
  bool whole() const;  // starts at 0 in steps of 1 everywhere
};

/// Slice as ONNX defines it: ends may lie outside, negative positions count from the end. No axes:
/// the first ones; no steps: 1.
SlicedShape sliced(const Shape& from, const Shape& starts, const Shape& ends, const Shape& axes,
                   const Shape& steps);

/// The shape without `axes` (with 1 in their place where `keep`).
Shape reduced(const Shape& from, const Shape& axes, bool keep);

}  // namespace mpsearch
