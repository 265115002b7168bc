#include "kernels/math/range.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

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

}  // namespace
}  // namespace mpsearch
