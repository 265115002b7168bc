// What the tests of verbs that measure and train share: a narrow LeNet, its profile and a plan.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cli/json_schema.h"
#include "tests/cli/run_command.h"

namespace mpsearch::test {

/// One folder with a network, a profile cache and a plan for all tests of a suite: measuring is
/// what takes time.
class RunVerbs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    ASSERT_EQ(run_command(*folder_, {"zoo", "lenet", "--width", "0.5", "-o", "net.onnx"}).status,
              0);
    const Outcome outcome = run({"net.onnx", "--budget", "96%", "--batch", "8", "--json"}, true);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    plan_ = outcome.out;
    EXPECT_EQ(departure_from_schema(outcome.out, "plan"), "");
  }
  static void TearDownTestSuite() { delete folder_; }

  /// The command with the small settings of these tests; `searching` adds those of the planner.
  static Outcome run(std::vector<std::string> words, bool searching = false) {
    std::vector<std::string> environment{"MPSEARCH_PROFILE_CACHE=cache", "OMP_NUM_THREADS=1",
                                         "MPSEARCH_THREADS=1"};
    if (searching) {
      environment.insert(environment.end(), {"MPSEARCH_EFFORT=fast", "MPSEARCH_PAIRED_STEPS=2"});
    }
    return run_command(*folder_, words, environment);
  }
  static std::string path(const std::string& name) { return folder_->path(name); }

  inline static TemporaryFolder* folder_ = nullptr;
  inline static std::string plan_;  // plan --json's answer
};

}  // namespace mpsearch::test
