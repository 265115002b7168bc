// Sliding windows of convolutions and pools: attributes with their defaults, and the shape they
// give. Used by conv.cpp and pool.cpp.
#pragma once

#include "kernels/attributes.h"
#include "kernels/tensor.h"

namespace mpsearch {

/// One entry a spatial dimension. strides and dilations default to 1, pads to 0.
struct Window {
  Shape kernel, strides, dilations, begin, end;
};

/// The window of a call, checked. Throws BadContent.
Window window_of(const Attributes& attributes, const Shape& kernel);

/// Positions of the window in each dimension of `spatial` (ONNX, Conv and MaxPool): with `ceil`
/// rounded up, but no window starts beyond the input and its first padding. Throws BadContent where
/// the window does not fit.
Shape window_positions(const Window& window, const Shape& spatial, bool ceil);

/// The dimensions after batch and channels.
Shape spatial_of(const Shape& shape);

}  // namespace mpsearch
