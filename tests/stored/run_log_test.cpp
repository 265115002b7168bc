#include "models/stored/run_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

RunStep step_of(std::int64_t step, double loss) {
  return {step, 1, loss, 0.1, 65536, true, "conv1", "conv1.dW", 2.5, 7.25};
}

class RunLogTest : public testing::Test {
 protected:
  RunLogTest() {
    header_.plan_sha256 = "ab";
    header_.precisions = {{Precision::FP8, 3}};
    header_.predicted_step_ms = 4.5;
    header_.metric = "accuracy";
  }
  TemporaryFolder folder_;
  RunHeader header_;
};

TEST_F(RunLogTest, LinesAreJsonObjectsThatReadBack) {
  EXPECT_EQ(run_line_to_json(step_of(3, 0.5)),
            "{\"step\": {\"step\": 3, \"epoch\": 1, \"loss\": 0.5, \"learning_rate\": 0.1, "
            "\"loss_scale\": 65536, \"skipped\": true, \"overflow_layer\": \"conv1\", "
            "\"overflow_tensor\": \"conv1.dW\", \"gradient_norm\": 2.5, \"ms\": 7.25}}\n");
  const RunEpoch epoch{1, 3, "accuracy", 0.25, 0.9, 10000};
  const RunEnd end{"finished", 3, 1, 4096, 7.5, 1000, "out.onnx"};
  const std::string path =
      folder_.write("run.ndjson", run_line_to_json(header_) + run_line_to_json(step_of(1, 2)) +
                                      run_line_to_json(epoch) + run_line_to_json(end));
  const Read<RunLog> read = read_run_log(path);
  EXPECT_TRUE(read.warnings.empty());
  EXPECT_EQ(read.value.header, header_);
  EXPECT_EQ(read.value.steps, (std::vector<RunStep>{step_of(1, 2)}));
  EXPECT_EQ(read.value.epochs, (std::vector<RunEpoch>{epoch}));
  EXPECT_EQ(read.value.end, end);
}

TEST_F(RunLogTest, NumbersThatAreNotFiniteSurvive) {
  RunStep step = step_of(1, std::numeric_limits<double>::quiet_NaN());
  step.gradient_norm = std::numeric_limits<double>::infinity();
  const std::string path =
      folder_.write("run.ndjson", run_line_to_json(header_) + run_line_to_json(step));
  const RunLog log = read_run_log(path).value;
  EXPECT_TRUE(std::isnan(log.steps[0].loss));
  EXPECT_EQ(log.steps[0].gradient_norm, std::numeric_limits<double>::infinity());
}

TEST_F(RunLogTest, StepsDoneAgainAfterAResumeCountOnceAndAKilledLineIsLeftOut) {
  const std::string path =
      folder_.write("run.ndjson", run_line_to_json(header_) + run_line_to_json(step_of(1, 9)) +
                                      run_line_to_json(step_of(2, 8)) + run_line_to_json(header_) +
                                      run_line_to_json(step_of(2, 7)) + "{\"step\": {\"st");
  const Read<RunLog> read = read_run_log(path);
  EXPECT_EQ(read.value.steps, (std::vector<RunStep>{step_of(1, 9), step_of(2, 7)}));
  EXPECT_EQ(read.warnings, (std::vector<std::string>{
                               path + ", line 6: the last line is not complete and was left out"}));
}

TEST_F(RunLogTest, DamageNamesTheLine) {
  const std::string path =
      folder_.write("run.ndjson", run_line_to_json(header_) + "{\"stop\": {}}\n");
  EXPECT_EQ(error_of([&] { read_run_log(path); }, folder_.path().string()),
            "3: unknown key\n"
            "  at: FOLDER/run.ndjson, line 2\n"
            "  why: stop\n"
            "  try: did you mean step?");
  EXPECT_EQ(error_of([&] { read_run_log(folder_.write("x", "{}\n")); }, folder_.path().string()),
            "3: not exactly one of the possible keys\n"
            "  at: FOLDER/x, line 1\n"
            "  why: object");
  EXPECT_EQ(error_of([&] { read_run_log(folder_.write("x", "")); }, folder_.path().string()),
            "3: not a run log\n"
            "  at: FOLDER/x\n"
            "  why: it has no header");
}

}  // namespace
}  // namespace mpsearch
