#include "runtime/shuffle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace mpsearch {
namespace {

std::vector<std::int64_t> images(std::int64_t size, std::uint64_t seed, std::uint64_t epoch) {
  const Permutation permutation(size, seed, epoch);
  std::vector<std::int64_t> result(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) result[static_cast<std::size_t>(i)] = permutation(i);
  return result;
}

TEST(Shuffle, EverySizeIsAPermutation) {
  for (std::int64_t size = 1; size <= 70; ++size) {
    std::vector<std::int64_t> sorted = images(size, 5, 3), all(static_cast<std::size_t>(size));
    std::ranges::sort(sorted);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(sorted, all) << size;
  }
}

TEST(Shuffle, SeedAndEpochChangeTheOrder) {
  const auto order = images(1000, 1, 0);
  EXPECT_EQ(order, images(1000, 1, 0));
  EXPECT_NE(order, images(1000, 2, 0));
  EXPECT_NE(order, images(1000, 1, 1));
}

// Over many epochs each sample should visit each place equally often: chi-square over the
// 10 x 10 table of (sample, place) has 81 degrees of freedom, so 99.99 % of true shuffles
// lie below 137.
TEST(Shuffle, PlacesAreEquallyLikely) {
  constexpr int kEpochs = 5000;
  double counts[10][10] = {};
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto order = images(10, 7, static_cast<std::uint64_t>(epoch));
    for (std::size_t i = 0; i < 10; ++i) counts[i][order[i]] += 1;
  }
  double chi_square = 0.0;
  for (const auto& row : counts) {
    for (const double count : row) {
      chi_square += (count - kEpochs / 10.0) * (count - kEpochs / 10.0) / (kEpochs / 10.0);
    }
  }
  EXPECT_LT(chi_square, 137.0);
}

TEST(Shuffle, NeighboursAreUnrelated) {
  const auto order = images(60000, 0, 0);
  double sum = 0.0;  // serial correlation of a random order: 0 with deviation 1 / sqrt(n)
  const double mean = 59999.0 / 2.0, variance = (60000.0 * 60000.0 - 1.0) / 12.0;
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    sum += (static_cast<double>(order[i]) - mean) * (static_cast<double>(order[i + 1]) - mean);
  }
  EXPECT_LT(std::abs(sum / 59999.0 / variance), 4.0 / std::sqrt(60000.0));
}

TEST(Shuffle, BatchesOfAnEpochAreDisjointAndWhole) {
  const BatchOrder order{.samples = 103, .batch = 10, .seed = 4};
  EXPECT_EQ(order.steps_per_epoch(), 10);
  std::set<std::int64_t> seen;
  for (std::int64_t step = 10; step < 20; ++step) {
    EXPECT_EQ(order.epoch_of(step), 1);
    for (const std::int64_t sample : order.samples_of(step)) {
      EXPECT_TRUE(sample >= 0 && sample < 103 && seen.insert(sample).second);
    }
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(Shuffle, WithoutShuffleBatchesRunInOrderAndRestart) {
  const BatchOrder order{.samples = 7, .batch = 3, .seed = 0, .shuffle = false};
  EXPECT_EQ(order.samples_of(1), (std::vector<std::int64_t>{3, 4, 5}));
  EXPECT_EQ(order.samples_of(2), (std::vector<std::int64_t>{0, 1, 2}));
  const BatchOrder small{.samples = 2, .batch = 3, .seed = 0, .shuffle = false};
  EXPECT_EQ(small.samples_of(5), (std::vector<std::int64_t>{0, 1, 0}));
}

}  // namespace
}  // namespace mpsearch
