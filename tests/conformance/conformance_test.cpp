// The part of the conformance command that belongs to the test-suite: Debian's libonnx-testdata,
// without the large networks.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <set>

#include "tests/conformance/onnx_test.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch::conformance {
namespace {

namespace fs = std::filesystem;

const fs::path kData = "/usr/share/libonnx-testdata/data";

/// Tests that passed once, one name a line.
std::set<std::string> expected_passes(const std::string& set) {
  std::ifstream file(std::string(MPSEARCH_SOURCE_DIR) + "/tests/conformance/passes-" + set +
                     ".txt");
  std::set<std::string> names;
  for (std::string name; std::getline(file, name);) names.insert(name);
  return names;
}

class OnnxTests : public testing::TestWithParam<std::string> {};

TEST_P(OnnxTests, PassOrAreRefusedAndNonePassesNoLonger) {
  if (!fs::exists(kData)) GTEST_SKIP() << "libonnx-testdata is not installed";
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  const TemporaryFolder scratch;
  std::set<std::string> expected = expected_passes(GetParam());
  ASSERT_FALSE(expected.empty());
  int more = 0;
  for (const fs::path& folder : find_tests(kData / GetParam())) {
    const Outcome outcome = run_test(folder, *backend, scratch.path());
    const bool passed_once = expected.erase(outcome.name) > 0;
    EXPECT_NE(outcome.status, Status::Fail) << outcome.name << ": " << outcome.reason;
    if (passed_once) {
      EXPECT_EQ(outcome.status, Status::Pass) << outcome.name << ": " << outcome.reason;
    } else if (outcome.status == Status::Pass) {
      ++more;
    }
  }
  EXPECT_TRUE(expected.empty()) << "no such test: " << *expected.begin();
  std::cout << more << " pass that the list lacks\n";
}

INSTANTIATE_TEST_SUITE_P(Debian, OnnxTests,
                         testing::Values("node", "pytorch-operator", "pytorch-converted", "simple"),
                         [](const auto& set) {
                           std::string name = set.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mpsearch::conformance
