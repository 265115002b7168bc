// Shapes, forms and views: what a tensor is, to kernels and graph alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/number/dtype.h"

namespace mpsearch {

/// Dimensions, outermost first, always in the model's logical order (N, C, H, W for images).
using Shape = std::vector<std::int64_t>;

/// Product of the dimensions; 1 for a scalar. Throws BadContent where it exceeds 2^62.
std::int64_t elements_of(const Shape& shape);

/// "[64, 3, 32, 32]".
std::string to_string(const Shape& shape);

/// Order of the elements in memory. ChannelsLast: N, spatial..., C of a tensor of rank >= 3.
enum class Layout : std::uint8_t { RowMajor, ChannelsLast };

/// How a tensor's elements are stored. A cast or a reorder is keyed by a pair of forms.
struct Form {
  DType dtype = DType::F32;
  Layout layout = Layout::RowMajor;
  auto operator<=>(const Form&) const = default;
};

/// "BF16", or "BF16:nhwc" for ChannelsLast.
std::string to_string(Form form);

struct TensorType {
  Shape shape;
  Form form;
  bool operator==(const TensorType&) const = default;

  std::int64_t elements() const { return elements_of(shape); }
  std::int64_t bytes() const { return bytes_of(form.dtype, elements()); }
};

std::string to_string(const TensorType& type);

/// Distance in elements between neighbours along each logical dimension.
Shape strides_of(const TensorType& type);

/// A tensor that a kernel reads or writes. `scale` is null, or for FP8 points to one float s with
/// value = s * stored (the inverse of the factor that the quantizer multiplied by).
struct TensorView {
  std::byte* data = nullptr;
  float* scale = nullptr;
  TensorType type;
};

}  // namespace mpsearch
