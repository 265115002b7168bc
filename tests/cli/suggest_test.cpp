#include "search/cli/suggest.h"

#include <gtest/gtest.h>

namespace mpsearch {
namespace {

TEST(EditDistance, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("trian", "train"), 1);
  EXPECT_EQ(edit_distance("PLAN", "plan"), 0);
  EXPECT_EQ(edit_distance("ca", "abc"), 3);  // optimal string alignment, not full Damerau
}

TEST(Nearest, PrefersTheFewestEditsAndForgetsTheFar) {
  const std::vector<std::string> names{"conv1", "conv2", "fc1", "layer1.conv1"};
  EXPECT_EQ(nearest("conv3", names), (std::vector<std::string>{"conv1", "conv2"}));
  EXPECT_EQ(nearest("conv1", names).front(), "conv1");
  EXPECT_TRUE(nearest("zzzz", names).empty());
  EXPECT_EQ(nearest("conv", names, 1).size(), 1U);
  EXPECT_EQ(did_you_mean("fc2", names), "did you mean 'fc1'?");
  EXPECT_EQ(did_you_mean("zzzz", names), "");
}

}  // namespace
}  // namespace mpsearch
