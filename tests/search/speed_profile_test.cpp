#include "search/speed_profile.h"

#include <gtest/gtest.h>

#include <vector>

namespace mpsearch {
namespace {

std::size_t picked(std::vector<std::int64_t> workspaces, std::vector<double> ms) {
  std::vector<KernelChoice> candidates;
  for (const std::int64_t bytes : workspaces)
    candidates.push_back({.algorithm = "any", .workspace_bytes = bytes});
  return better_kernel(candidates, ms);
}

TEST(BetterKernel, OfEqualWorkspacesTheFastestIsTaken) {
  EXPECT_EQ(picked({64, 64, 64}, {2.0, 1.0, 1.5}), 1);
}

TEST(BetterKernel, ATieGoesToTheFirst) { EXPECT_EQ(picked({64, 64}, {1.0, 0.98}), 0); }

TEST(BetterKernel, MoreWorkspaceMustBeFasterByAFifth) {
  EXPECT_EQ(picked({1000, 10}, {0.85, 1.0}), 1);
  EXPECT_EQ(picked({10, 1000}, {1.0, 0.85}), 0);
  EXPECT_EQ(picked({10, 1000}, {1.0, 0.75}), 1);
}

TEST(BetterKernel, LessWorkspaceWinsACloseRaceWhateverTheNoise) {
  for (const double noise : {0.9, 0.95, 1.0, 1.05, 1.1})
    EXPECT_EQ(picked({500, 0}, {1.0, noise}), 1) << noise;
}

}  // namespace
}  // namespace mpsearch
