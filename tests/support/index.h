// Positions in tensors of any rank, the slow and obvious way. Used by the reference definitions.
#pragma once

#include <cstddef>

#include "kernels/tensor.h"

namespace mpsearch::reference {

/// Calls f(index) for every multi-index of `shape`, in row-major order.
template <class F>
void for_each_index(const Shape& shape, F f) {
  if (elements_of(shape) == 0) return;
  Shape index(shape.size(), 0);
  while (true) {
    f(static_cast<const Shape&>(index));
    std::size_t dim = shape.size();
    while (dim-- > 0) {
      if (++index[dim] < shape[dim]) break;
      index[dim] = 0;
    }
    if (dim == static_cast<std::size_t>(-1)) return;
  }
}

/// Row-major position of `index` in a tensor of `shape`.
inline std::size_t position(const Shape& shape, const Shape& index) {
  std::int64_t at = 0;
  for (std::size_t dim = 0; dim < shape.size(); ++dim) at = at * shape[dim] + index[dim];
  return static_cast<std::size_t>(at);
}

/// Position in a tensor of `shape` of what numpy's broadcasting shows at `index` of a larger
/// tensor.
inline std::size_t broadcast_position(const Shape& shape, const Shape& index) {
  const std::size_t skip = index.size() - shape.size();
  std::int64_t at = 0;
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    at = at * shape[dim] + (shape[dim] == 1 ? 0 : index[skip + dim]);
  }
  return static_cast<std::size_t>(at);
}

inline std::size_t count_of(const Shape& shape) {
  return static_cast<std::size_t>(elements_of(shape));
}

}  // namespace mpsearch::reference
