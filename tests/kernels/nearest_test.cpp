#include "kernels/nearest.h"

#include <gtest/gtest.h>

namespace mpsearch {
namespace {

TEST(Nearest, FindsMisspelledSwappedAndContainedNames) {
  const std::vector<std::string> names{"precision", "peak_bytes", "layer1.conv1", "layer2.conv1"};
  EXPECT_EQ(did_you_mean("precison", names), "did you mean precision?");
  EXPECT_EQ(did_you_mean("preicsion", names), "did you mean precision?");
  EXPECT_EQ(did_you_mean("conv1", names), "did you mean layer1.conv1 or layer2.conv1?");
  EXPECT_EQ(did_you_mean("momentum", names), "");
}

TEST(Nearest, TheNearestComesFirst) {
  EXPECT_EQ(nearest_names("abcdef", {"abcxyf", "abcdeg"}),
            (std::vector<std::string>{"abcdeg", "abcxyf"}));
}

}  // namespace
}  // namespace mpsearch
