// A tensor's content as FP32 numbers in RowMajor order on the host, whatever form it was stored in.
// Used where figures are computed outside a step: sensitivity, verification, tests.
#pragma once

#include <span>
#include <vector>

#include "kernels/tensor.h"

namespace mpsearch {

/// Decodes `content` of a float type. `scale` multiplies FP8 values. Throws Internal for others.
std::vector<float> to_host(std::span<const std::byte> content, const TensorType& type,
                           float scale = 1);

}  // namespace mpsearch
