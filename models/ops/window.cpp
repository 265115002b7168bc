#include "models/ops/window.h"

#include "kernels/error.h"

namespace mpsearch {
namespace {

/// Attribute `name` with `count` entries of at least `least`, or `count` times `otherwise`.
Shape entries(const Attributes& attributes, std::string_view name, std::size_t count,
              std::int64_t otherwise, std::int64_t least) {
  if (!attributes.has(name)) return Shape(count, otherwise);
  Shape values = attributes.integers(name);
  bool good = values.size() == count;
  for (const std::int64_t value : values) good = good && value >= least;
  require(good, ErrorKind::BadContent,
          std::string(name) + " is " + to_string(values) + ", expected " + std::to_string(count) +
              " entries of at least " + std::to_string(least));
  return values;
}

}  // namespace

Window window_of(const Attributes& attributes, const Shape& kernel) {
  const std::size_t rank = kernel.size();
  for (const std::int64_t size : kernel) {
    require(size >= 1, ErrorKind::BadContent, "the window is empty: " + to_string(kernel));
  }
  const Shape pads = entries(attributes, "pads", 2 * rank, 0, 0);
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(rank);
  return {.kernel = kernel,
          .strides = entries(attributes, "strides", rank, 1, 1),
          .dilations = entries(attributes, "dilations", rank, 1, 1),
          .begin = Shape(pads.begin(), middle),
          .end = Shape(middle, pads.end())};
}

Shape window_positions(const Window& window, const Shape& spatial, bool ceil) {
  require(window.kernel.size() == spatial.size(), ErrorKind::BadContent,
          "the window " + to_string(window.kernel) + " does not have one entry for each of the " +
              std::to_string(spatial.size()) + " spatial dimensions");
  Shape positions;
  for (std::size_t i = 0; i < spatial.size(); ++i) {
    const std::int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
    const std::int64_t slack = spatial[i] + window.begin[i] + window.end[i] - reach;
    require(slack >= 0, ErrorKind::BadContent,
            "a window of reach " + std::to_string(reach) + " does not fit into dimension " +
                std::to_string(i) + " of " + to_string(spatial) + ", even padded");
    const std::int64_t stride = window.strides[i];
    std::int64_t last = (slack + (ceil ? stride - 1 : 0)) / stride;
    if (last * stride >= spatial[i] + window.begin[i] && ceil) --last;
    positions.push_back(last + 1);
  }
  return positions;
}

Shape spatial_of(const Shape& shape) {
  return shape.size() < 2 ? Shape{} : Shape(shape.begin() + 2, shape.end());
}

}  // namespace mpsearch
