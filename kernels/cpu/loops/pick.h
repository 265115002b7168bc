// y[i0, i1, ...] = x at the index that each dimension maps on its own, or a fill value: what
// slices, pads and repetitions have in common. Used by movement.cpp and binary.cpp.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// `count` elements of y that lie at offset, offset + step, ... in x. A negative offset: the fill
/// value.
struct Run {
  std::int64_t count = 1;
  std::int64_t offset = 0;
  std::int64_t step = 0;
};
using Runs = std::vector<Run>;

/// Appends a run, made one with the last where they continue each other.
void append(Runs& runs, Run next);

/// Elements that the runs cover.
std::int64_t count_of(const Runs& runs);

/// Whether elements of `from` can be stored as `to`: bits that are copied, or floats.
bool can_move(DType from, DType to);

/// `dims`: for every dimension of y, outermost in memory first, what it takes of x. Offsets of the
/// dimensions add up.
BoundKernel pick_kernel(const TensorView& x, const TensorView& y, const std::vector<Runs>& dims,
                        double fill = 0);

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
