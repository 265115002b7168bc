#include "search/solver/dominance.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace mpsearch::solver {
namespace {

bool exceeds_nowhere(const std::vector<double>& points, int figures, std::size_t a, std::size_t b,
                     double slack) {
  for (int f = 0; f < figures; ++f)
    if (points[a * figures + f] > points[b * figures + f] + (f == 0 ? slack : 0)) return false;
  return true;
}

/// Points are asked for in turn and kept where none kept before dominates them.
void compare_with_all_pairs(std::size_t count, int figures, int values, double slack) {
  std::mt19937_64 random(count + figures);
  std::vector<double> points;
  // Differences that float cannot tell apart must count as well.
  for (std::size_t i = 0; i < count * figures; ++i)
    points.push_back(1e9 + static_cast<double>(random() % values));
  DominanceTree tree;
  tree.reset(points, figures);
  std::vector<std::size_t> kept;
  for (std::size_t p = 0; p < count; ++p) {
    bool any = false;
    for (const std::size_t k : kept) any = any || exceeds_nowhere(points, figures, k, p, slack);
    const int dominator = tree.dominator(p, slack);
    ASSERT_EQ(any, dominator >= 0) << count << " points of " << figures << " figures, " << p;
    if (any) {
      EXPECT_TRUE(exceeds_nowhere(points, figures, dominator, p, slack));
      continue;
    }
    kept.push_back(p);
    tree.keep(p);
  }
}

TEST(Dominance, AgreesWithComparingAllPairs) {
  for (const std::size_t count : {1, 8, 9, 128, 129, 1000, 3000})
    for (const int figures : {1, 2, 3, 5, 9}) {
      compare_with_all_pairs(count, figures, 7, 0);
      compare_with_all_pairs(count, figures, 1000, 0);
      compare_with_all_pairs(count, figures, 1000, 2);
    }
}

TEST(Dominance, ATreeCanBeUsedAgainForOtherPoints) {
  DominanceTree tree;
  tree.reset({1, 1, 2, 2}, 2);
  tree.keep(0);
  EXPECT_EQ(tree.dominator(1, 0), 0);
  tree.reset({2, 2, 1, 1}, 2);
  EXPECT_EQ(tree.dominator(0, 0), -1);
  tree.keep(0);
  EXPECT_EQ(tree.dominator(1, 0), -1);
}

}  // namespace
}  // namespace mpsearch::solver
