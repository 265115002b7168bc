// Dropout masks from the counter-based generator: a bit depends on (seed, step, tensor, element)
// alone, so a mask may be stored, or drawn again in backward.
#pragma once

#include <cstdint>

#include "kernels/number/philox.h"

namespace mpsearch {

/// An element is dropped where its random word is below this. `probability` in [0, 1).
MPSEARCH_HD inline std::uint32_t drop_threshold(float probability) {
  return static_cast<std::uint32_t>(static_cast<double>(probability) * 4294967296.0);
}

/// Mask bits (1 = kept) of elements 32 * word ... 32 * word + 31, lowest bit first.
MPSEARCH_HD inline std::uint32_t dropout_word(RandomStream stream, std::uint32_t word,
                                              std::uint32_t threshold) {
  std::uint32_t bits = 0;
  for (std::uint32_t block = 0; block < 8; ++block) {
    const PhiloxWords random = random_block(stream, 8 * word + block);
    const std::uint32_t four =
        (random.w0 >= threshold ? 1u : 0u) | (random.w1 >= threshold ? 2u : 0u) |
        (random.w2 >= threshold ? 4u : 0u) | (random.w3 >= threshold ? 8u : 0u);
    bits |= four << (4 * block);
  }
  return bits;
}

}  // namespace mpsearch
