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
    run_command(*folder_, {"zoo", "lenet", "--width", "0.5", "-o", "net.onnx"});
    planned_ = run({"net.onnx", "--budget", "96%", "--batch", "8", "--json"}, true);
    plan_ = planned_.out;
  }
  static void TearDownTestSuite() { delete folder_; }

  /// Here, not in the suite's set-up: what fails there makes the tests count as skipped.
  void SetUp() override {
    ASSERT_EQ(planned_.status, 0) << planned_.err;
    ASSERT_EQ(departure_from_schema(plan_, "plan"), "");
  }

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
  inline static Outcome planned_;
  inline static std::string plan_;  // plan --json's answer
};

}  // namespace mpsearch::test
