#include "runtime/shuffle.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace mpsearch {

Permutation::Permutation(std::int64_t size, std::uint64_t seed, std::uint64_t epoch)
    : size_(static_cast<std::uint64_t>(size)),
      half_bits_(std::max(1, (static_cast<int>(std::bit_width(size_ - 1)) + 1) / 2)) {
  assert(size >= 1);
  for (int round = 0; round < kRounds; ++round) {
    keys_[round] = mix_bits(mix_bits(mix_bits(seed) ^ epoch) + static_cast<std::uint64_t>(round));
  }
}

std::int64_t Permutation::operator()(std::int64_t position) const {
  assert(position >= 0 && static_cast<std::uint64_t>(position) < size_);
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<std::uint64_t>(position);
  do {
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (const std::uint64_t key : keys_) {
      const std::uint64_t next = left ^ (mix_bits(right ^ key) & mask);
      left = right;
      right = next;
    }
    value = (left << half_bits_) | right;
  } while (value >= size_);
  return static_cast<std::int64_t>(value);
}

std::int64_t BatchOrder::steps_per_epoch() const {
  return std::max<std::int64_t>(1, samples / batch);
}

std::vector<std::int64_t> BatchOrder::samples_of(std::int64_t step) const {
  const std::int64_t first = (step % steps_per_epoch()) * batch;
  const Permutation order(samples, seed, static_cast<std::uint64_t>(epoch_of(step)));
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(batch));
  for (std::int64_t i = 0; i < batch; ++i) {
    const std::int64_t position = (first + i) % samples;
    chosen[static_cast<std::size_t>(i)] = shuffle ? order(position) : position;
  }
  return chosen;
}

}  // namespace mpsearch
