// The same bits on every instruction-set level: the programs of levels/ print the same hashes.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace mpsearch {
namespace {

struct Outcome {
  int status;
  std::string lines;
};

Outcome run(const std::string& level) {
  FILE* pipe = popen((MPSEARCH_MATH_BITS + level).c_str(), "r");
  if (pipe == nullptr) return {-1, {}};
  Outcome result{0, {}};
  char buffer[4096];
  while (const std::size_t read = fread(buffer, 1, sizeof buffer, pipe)) {
    result.lines.append(buffer, read);
  }
  result.status = pclose(pipe) >> 8;
  return result;
}

class LanesLevels : public testing::TestWithParam<const char*> {};

TEST_P(LanesLevels, HaveTheBitsOfTheBaseline) {
  const Outcome baseline = run("x86-64");
  ASSERT_EQ(baseline.status, 0);
  ASSERT_GT(baseline.lines.size(), 1000u);
  const Outcome level = run(GetParam());
  if (level.status == 77) GTEST_SKIP() << "this CPU is below " << GetParam();
  ASSERT_EQ(level.status, 0);
  EXPECT_EQ(level.lines, baseline.lines);
}

INSTANTIATE_TEST_SUITE_P(Each, LanesLevels, testing::Values("x86-64-v3", "x86-64-v4"));

}  // namespace
}  // namespace mpsearch
