#include "kernels/math/range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/math/dropout.h"
#include "kernels/math/lanes.h"

namespace mpsearch {
namespace {

using Group = Lanes<32>;
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Range, AmaxIsOverFiniteValuesAndTheRestIsFlagged) {
  for (std::size_t n = 1; n < 100; ++n) {
    std::vector<float> x(n, -0.5F);
    x[n / 2] = -3.0F;
    Range range = range_of(Group{}, static_cast<std::int64_t>(n), x.data());
    EXPECT_EQ(range.amax, 3.0F);
    EXPECT_FALSE(range.nonfinite);
    for (const float bad : {kInf, -kInf, std::nanf("")}) {
      x[n - 1] = bad;
      range = range_of(Group{}, static_cast<std::int64_t>(n), x.data());
      EXPECT_EQ(range.amax, n < 3 ? (n == 1 ? 0.0F : 0.5F) : 3.0F) << n;
      EXPECT_TRUE(range.nonfinite);
    }
  }
  EXPECT_EQ(range_of(Group{}, 0, static_cast<const float*>(nullptr)).amax, 0.0F);
  EXPECT_TRUE(merge({1.0F, false}, {2.0F, true}).nonfinite);
  EXPECT_EQ(merge({1.0F, false}, {2.0F, true}).amax, 2.0F);
}

TEST(Range, ASumOfSquaresNeitherOverflowsNorLosesSmallTerms) {
  const std::vector<float> large(1000, 1e30F);
  EXPECT_NEAR(sum_of_squares(Group{}, 1000, large.data()) / 1e63, 1.0, 1e-6);
  std::vector<float> mixed(10001, 1e-4F);
  mixed[0] = 1.0F;
  EXPECT_NEAR(sum_of_squares(Group{}, 10001, mixed.data()), 1.0 + 1e-4, 1e-10);
}

TEST(Dropout, KeepsTheElementsWhoseWordsReachTheThreshold) {
  const RandomStream stream{.seed = 5, .step = 6, .tensor = 7};
  const std::uint32_t threshold = drop_threshold(0.3F);
  int kept = 0;
  constexpr std::uint32_t kWords = 1000;
  for (std::uint32_t word = 0; word < kWords; ++word) {
    const std::uint32_t bits = dropout_word(stream, word, threshold);
    for (std::uint32_t bit = 0; bit < 32; ++bit) {
      const bool keep = random_word(stream, 32 * word + bit) >= threshold;
      ASSERT_EQ(((bits >> bit) & 1u) != 0, keep);
      kept += keep ? 1 : 0;
    }
  }
  EXPECT_NEAR(kept / (32.0 * kWords), 0.7, 5 * std::sqrt(0.21 / (32 * kWords)));
  EXPECT_EQ(dropout_word(stream, 0, drop_threshold(0.0F)), ~0u);
}

}  // namespace
}  // namespace mpsearch
