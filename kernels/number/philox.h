// Counter-based random numbers: a value depends on (seed, step, tensor, element) alone, so CPU and
// GPU agree, any thread may draw any element, and a resumed run draws what it would have drawn.
#pragma once

#include <cstdint>

#include "kernels/number/bits.h"

namespace mpsearch {

struct PhiloxWords {
  std::uint32_t w0, w1, w2, w3;
  bool operator==(const PhiloxWords&) const = default;
};

/// Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
MPSEARCH_HD constexpr PhiloxWords philox4x32(PhiloxWords counter, std::uint32_t key0,
                                             std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter.w0;
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter.w2;
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter.w1 ^ key0,
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter.w3 ^ key1,
               static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// One sequence of random words: that of one tensor at one step.
struct RandomStream {
  std::uint64_t seed;
  std::uint64_t step;
  std::uint32_t tensor;
};

/// The words of elements 4 * block ... 4 * block + 3.
MPSEARCH_HD constexpr PhiloxWords random_block(RandomStream stream, std::uint32_t block) {
  return philox4x32({block, stream.tensor, static_cast<std::uint32_t>(stream.step),
                     static_cast<std::uint32_t>(stream.step >> 32)},
                    static_cast<std::uint32_t>(stream.seed),
                    static_cast<std::uint32_t>(stream.seed >> 32));
}

/// The word of one element, for elements below 2^34. Loops draw whole blocks: a quarter of the
/// work.
MPSEARCH_HD constexpr std::uint32_t random_word(RandomStream stream, std::uint64_t element) {
  const PhiloxWords words = random_block(stream, static_cast<std::uint32_t>(element >> 2));
  const std::uint32_t low = (element & 1u) != 0 ? words.w1 : words.w0;
  const std::uint32_t high = (element & 1u) != 0 ? words.w3 : words.w2;
  return (element & 2u) != 0 ? high : low;
}

/// Uniform in [0, 1), a multiple of 2^-24.
MPSEARCH_HD constexpr float uniform(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

}  // namespace mpsearch
