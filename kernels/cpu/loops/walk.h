// Tensors of any rank as few loops: the dimensions of one tensor in its order in memory, with the
// strides of all operands beside each other. Used by the drivers that broadcast, reduce or permute.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/tensor.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// The most operands that one walk visits.
inline constexpr std::size_t kOperands = 3;

struct Dim {
  std::int64_t size = 1;
  std::array<std::int64_t, kOperands> stride{};  // of each operand, in elements
};

/// The dimensions of `type`, outermost in memory first.
std::vector<std::size_t> memory_order(const TensorType& type);

/// The stride of `from` along each dimension of `to`, to which it broadcasts: 0 where it repeats.
Shape broadcast_strides(const TensorType& from, const Shape& to);

/// Whether `from` broadcasts to `to` by numpy's rules.
bool broadcasts(const Shape& from, const Shape& to);

/// Without dimensions of size 1, and with neighbours made one where every operand allows it. Never
/// empty: one dimension of size 1 stands for a scalar.
std::vector<Dim> merged(const std::vector<Dim>& dims);

/// The merged dimensions of `out` with the strides of the inputs, which broadcast to it.
std::vector<Dim> broadcast_dims(std::span<const TensorView> inputs, const TensorType& out);

std::int64_t size_of(std::span<const Dim> dims);

/// Offset of an operand at the index-th position, counted along `dims`, the last one fastest.
inline std::int64_t offset_at(std::span<const Dim> dims, std::size_t operand, std::int64_t index) {
  std::int64_t offset = 0;
  for (std::size_t dim = dims.size(); dim-- > 1;) {
    offset += index % dims[dim].size * dims[dim].stride[operand];
    index /= dims[dim].size;
  }
  return dims.empty() ? 0 : offset + index * dims[0].stride[operand];
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
