// Which source positions a resized dimension reads, with which weights (ONNX, Resize). Used by the
// kernels of Resize on every device.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/attributes.h"

namespace mpsearch {

/// Weighted source positions of each position of one dimension, one list after another.
struct Taps {
  std::vector<std::int64_t> begin;  // of the list of each position, and the end
  std::vector<std::int64_t> index;
  std::vector<float> weight;
  std::vector<bool> outside;  // positions without a source (tf_crop_and_resize)

  std::int64_t positions() const {
    return begin.empty() ? 0 : static_cast<std::int64_t>(begin.size()) - 1;
  }
  std::int64_t first(std::int64_t position) const {
    return begin[static_cast<std::size_t>(position)];
  }
  bool is_outside(std::int64_t position) const {
    return !outside.empty() && outside[static_cast<std::size_t>(position)];
  }
};

/// Of dimension `dim` of a Resize with these attributes (models/ops/README.md).
Taps resize_taps(const Attributes& attributes, std::size_t dim, std::int64_t input,
                 std::int64_t output);

/// For each of the `input` source positions: which positions read it.
Taps inverse_of(const Taps& taps, std::int64_t input);

}  // namespace mpsearch
