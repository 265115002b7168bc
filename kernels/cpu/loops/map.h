// Element-wise kernels: one driver that broadcasts, decodes and encodes, around a function of F32
// chunks that fit the first-level cache. So any mix of dtypes and shapes costs no further code.
// Used by unary.cpp, binary.cpp and dropout.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cpu/loops/group.h"
#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// Elements that are decoded at once.
inline constexpr std::int64_t kChunk = 512;

/// `count` elements of everything that an element-wise op touches, as F32 and bits.
struct Chunk {
  const float* in[3];
  const std::uint8_t* bits;  // of the mask that is read, or null
  float* out;                // may be an input
  std::uint8_t* mask;        // that is written, or null
  std::int64_t count;
};

/// What an element-wise op computes, with its parameters.
struct Compute {
  void (*run)(const float* parameters, const Chunk& chunk);
  std::array<float, 2> parameters{};
};

/// What it computes on. A mask has the first output's shape and layout, and so have all inputs
/// then.
struct MapViews {
  std::vector<TensorView> inputs;  // floats that broadcast to `out`, at most three
  TensorView out;
  const std::byte* bits = nullptr;
  std::byte* mask = nullptr;
};

/// Whether a kernel may write elements of this dtype: F32, BF16 or F16.
constexpr bool is_carrier(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

/// Whether `type` is the mask of a tensor `of`.
inline bool masks(const TensorType& type, const TensorType& of) {
  return type.form.dtype == DType::BIT && type.shape == of.shape &&
         type.form.layout == of.form.layout;
}

/// Whether the first `floats` inputs can be read and broadcast to the first output, which can be
/// written. `flat`: they must have its very shape and layout.
bool maps(const KernelCall& call, std::size_t floats, bool flat);

BoundKernel map_kernel(Compute compute, const MapViews& views);

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
