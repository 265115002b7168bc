#include "kernels/cpu/loops/walk.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

std::vector<std::size_t> memory_order(const TensorType& type) {
  const std::size_t rank = type.shape.size();
  std::vector<std::size_t> order;
  for (std::size_t dim = 0; dim < rank; ++dim) order.push_back(dim);
  if (type.form.layout == Layout::ChannelsLast) {
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  return order;
}

Shape broadcast_strides(const TensorType& from, const Shape& to) {
  const Shape own = strides_of(from);
  const std::size_t skip = to.size() - from.shape.size();
  Shape strides(to.size(), 0);
  for (std::size_t dim = skip; dim < to.size(); ++dim) {
    if (from.shape[dim - skip] != 1) strides[dim] = own[dim - skip];
  }
  return strides;
}

bool broadcasts(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  const std::size_t skip = to.size() - from.size();
  for (std::size_t dim = 0; dim < from.size(); ++dim) {
    if (from[dim] != 1 && from[dim] != to[skip + dim]) return false;
  }
  return true;
}

std::vector<Dim> merged(const std::vector<Dim>& dims) {
  std::vector<Dim> result;
  for (const Dim& dim : dims) {
    if (dim.size == 1) continue;
    bool joins = !result.empty();
    for (std::size_t operand = 0; joins && operand < kOperands; ++operand) {
      joins = result.back().stride[operand] == dim.stride[operand] * dim.size;
    }
    if (joins) {
      result.back() = {result.back().size * dim.size, dim.stride};
    } else {
      result.push_back(dim);
    }
  }
  if (result.empty()) result.push_back({});
  return result;
}

std::vector<Dim> broadcast_dims(std::span<const TensorView> inputs, const TensorType& out) {
  std::vector<Shape> strides;
  for (const TensorView& input : inputs) {
    strides.push_back(broadcast_strides(input.type, out.shape));
  }
  std::vector<Dim> dims;
  for (const std::size_t dim : memory_order(out)) {
    Dim next{out.shape[dim], {}};
    for (std::size_t k = 0; k < strides.size(); ++k) next.stride[k] = strides[k][dim];
    dims.push_back(next);
  }
  return merged(dims);
}

std::int64_t size_of(std::span<const Dim> dims) {
  std::int64_t size = 1;
  for (const Dim& dim : dims) size *= dim.size;
  return size;
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
