#include "runtime/run_log.h"

#include <gtest/gtest.h>

#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

RunStep step_of(std::int64_t step, double loss) {
  RunStep result;
  result.step = step;
  result.loss = loss;
  return result;
}

std::vector<std::int64_t> steps_in(const std::string& path) {
  std::vector<std::int64_t> steps;
  for (const RunStep& step : read_run_log(path).value.steps) steps.push_back(step.step);
  return steps;
}

TEST(RunLogWriter, AppendsWhatCanBeReadWhileTheRunGoesOn) {
  const TemporaryFolder folder;
  const std::string path = folder.write("run.ndjson", "something old");
  RunLogWriter writer(path, RunHeader());
  for (std::int64_t step = 1; step <= 3; ++step) writer.write(step_of(step, 1));
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(RunLogWriter, AResumedRunDropsWhatWasLost) {
  const TemporaryFolder folder;
  const std::string path = folder.path("run.ndjson");
  {
    RunLogWriter writer(path, RunHeader());
    for (std::int64_t step = 1; step <= 5; ++step) {
      writer.write(step_of(step, 1));
      writer.write(RunEpoch{step, step, "accuracy", 0.5, 0.5, 100});
    }
  }
  folder.write("run.ndjson", content_of(path) + "{\"step\": {\"torn");
  RunHeader header;
  header.metric = "after";
  RunLogWriter writer(path, header, 3);
  writer.write(step_of(4, 2));
  const Read<RunLog> read = read_run_log(path);
  EXPECT_TRUE(read.warnings.empty());
  EXPECT_EQ(steps_in(path), (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(read.value.steps[3].loss, 2);
  EXPECT_EQ(read.value.epochs.size(), 3U);
  EXPECT_EQ(read.value.header.metric, "after");
}

TEST(RunLogWriter, APlaceThatCannotBeWritten) {
  const TemporaryFolder folder;
  EXPECT_EQ(
      error_of([&] { RunLogWriter(folder.path("no/run"), RunHeader()); }, folder.path().string()),
      "6: the run log cannot be written\n"
      "  at: FOLDER/no/run\n"
      "  why: No such file or directory\n"
      "  try: free space or choose another place");
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  EXPECT_EQ(error_of([&] { RunLogWriter("/dev/full", RunHeader()); }, "\n\n"),
            "7: the run log cannot be written\n"
            "  at: /dev/full\n"
            "  why: No space left on device\n"
            "  try: free space or choose another place");
}

}  // namespace
}  // namespace mpsearch
