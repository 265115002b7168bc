// Which samples a training step sees, computed from (seed, epoch, position) alone, so that a
// resumed run needs no loader state. Used by the trainer and the profilers.
#pragma once

#include <cstdint>
#include <vector>

namespace mpsearch {

/// A pseudo-random permutation of 0..size-1, evaluated one index at a time: an eight-round Feistel
/// network over the next even power of two, walked until it lands inside (Black and Rogaway 2002).
class Permutation {
 public:
  /// `size` >= 1. Equal (size, seed, epoch) give equal permutations on every machine.
  Permutation(std::int64_t size, std::uint64_t seed, std::uint64_t epoch);

  /// Image of `position`, 0 <= position < size.
  std::int64_t operator()(std::int64_t position) const;

 private:
  static constexpr int kRounds = 8;
  std::uint64_t size_;
  int half_bits_;
  std::uint64_t keys_[kRounds];
};

struct BatchOrder {
  std::int64_t samples = 0;  // of the data set
  std::int64_t batch = 0;
  std::uint64_t seed = 0;
  bool shuffle = true;

  /// Whole batches in an epoch: the rest of an epoch's permutation is left out (another rest every
  /// epoch). At least 1: a set smaller than a batch is repeated within the batch.
  std::int64_t steps_per_epoch() const;
  std::int64_t epoch_of(std::int64_t step) const { return step / steps_per_epoch(); }
  /// The `batch` sample indices of 0-based training step `step`.
  std::vector<std::int64_t> samples_of(std::int64_t step) const;
};

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection whose bits all depend on all bits.
constexpr std::uint64_t mix_bits(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace mpsearch
