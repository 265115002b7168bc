// Training that is killed or interrupted and resumed ends as the run that was left alone, bit for
// bit.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cli/run_command.h"

namespace mpsearch {
namespace {

using nlohmann::json;
using test::Outcome;
using test::read_text;
using test::RunningCommand;
using test::TemporaryFolder;
using Words = std::vector<std::string>;

/// A network and a run of 3 epochs with its end, for all tests of this file. FP16 so that the loss
/// scale falls on the way, two micro-batches a step.
class Interrupted : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    ASSERT_EQ(run({"zoo", "mlp", "--hidden", "64", "-o", "net.onnx"}).status, 0);
    const Outcome outcome = run(training("whole.onnx", {"--checkpoint", "whole"}));
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    whole_ = json::parse(outcome.out);
  }
  static void TearDownTestSuite() { delete folder_; }

  static Words environment() { return {"MPSEARCH_PROFILE_CACHE=cache", "MPSEARCH_THREADS=1"}; }
  static Outcome run(const Words& words) {
    return test::run_command(*folder_, words, environment());
  }
  static std::string path(const std::string& name) { return folder_->path(name); }

  static Words training(const std::string& output, const Words& more) {
    Words words{"train",        "net.onnx", "--precision",  "fp16",     "--batch",  "8",
                "--accumulate", "2",        "--loss-scale", "megatron", "--epochs", "3",
                "--lr",         "0.01",     "--early-stop", "3",        "--json",   "-o",
                output};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  /// Losses, scales and epochs of a run log, without what a clock says.
  static std::vector<json> log_of(const std::string& name) {
    std::vector<json> lines;
    std::istringstream text(read_text(path(name)));
    for (std::string line; std::getline(text, line);) {
      json entry = json::parse(line);
      if (entry.contains("step") && entry["step"].is_object()) entry["step"].erase("ms");
      if (!entry.contains("header") && !entry.contains("end")) lines.push_back(std::move(entry));
    }
    return lines;
  }

  static void expect_whole(const std::string& name, const json& answer) {
    EXPECT_EQ(read_text(path(name + ".onnx")), read_text(path("whole.onnx")));
    EXPECT_EQ(read_text(path(name + "/checkpoint.mpsearch")),
              read_text(path("whole/checkpoint.mpsearch")));
    EXPECT_EQ(log_of(name + ".run.ndjson"), log_of("whole.run.ndjson"));
    for (const char* key : {"steps", "epochs", "loss", "metric", "skipped_steps", "loss_scale"}) {
      EXPECT_EQ(answer[key], whole_[key]) << key;
    }
  }

  static TemporaryFolder* folder_;
  static json whole_;
};

TemporaryFolder* Interrupted::folder_ = nullptr;
json Interrupted::whole_;

TEST_F(Interrupted, ARunKilledAtRandomMomentsEndsAsTheOneLeftAlone) {
  ASSERT_GT(whole_["skipped_steps"], 0);
  std::mt19937 random(20);
  int killed = 0;
  Outcome outcome{-SIGKILL, {}, {}};
  for (int round = 0; outcome.status == -SIGKILL; ++round) {
    ASSERT_LT(round, 200);
    const bool kept = std::filesystem::exists(path("killed/checkpoint.mpsearch"));
    const Words where = kept ? Words{"--resume", "killed"} : Words{"--checkpoint", "killed"};
    Words words = training("killed.onnx", where);
    words.insert(words.end(), {"--checkpoint-every", "7"});
    RunningCommand command(*folder_, words, environment());
    // Later rounds get more time, so that a slow machine also comes to the end.
    const auto most = static_cast<unsigned>(100 + 40 * round);
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % most));
    command.send(SIGKILL);
    outcome = command.wait();
    killed += outcome.status == -SIGKILL ? 1 : 0;
  }
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_GT(killed, 0);
  expect_whole("killed", json::parse(outcome.out));
  for (const auto& entry : std::filesystem::directory_iterator(path("killed"))) {
    EXPECT_EQ(entry.path().filename(), "checkpoint.mpsearch");
  }
}

TEST_F(Interrupted, AfterAnInterruptTheCommandShownGoesOn) {
  Outcome outcome;
  {
    RunningCommand command(*folder_, training("stopped.onnx", {}), environment());
    while (!std::filesystem::exists(path("stopped.run.ndjson"))) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    command.send(SIGINT);
    outcome = command.wait();
  }
  ASSERT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_FALSE(std::filesystem::exists(path("stopped.onnx")));
  EXPECT_NE(outcome.err.find("error: interrupted after step "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("everything is kept in stopped.checkpoint/checkpoint.mpsearch"),
            std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find("-o stopped.onnx --resume stopped.checkpoint"), std::string::npos)
      << outcome.err;

  const Outcome rest = run(training("stopped.onnx", {"--resume", "stopped.checkpoint"}));
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_EQ(read_text(path("stopped.onnx")), read_text(path("whole.onnx")));
  EXPECT_EQ(log_of("stopped.run.ndjson"), log_of("whole.run.ndjson"));
  EXPECT_EQ(json::parse(rest.out)["loss"], whole_["loss"]);
}

TEST_F(Interrupted, AFinishedRunResumedSaysTheSameAgain) {
  const Outcome again = run(training("again.onnx", {"--resume", "whole"}));
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_text(path("again.onnx")), read_text(path("whole.onnx")));
  for (const char* key : {"steps", "epochs", "loss", "metric", "skipped_steps", "loss_scale"}) {
    EXPECT_EQ(json::parse(again.out)[key], whole_[key]) << key;
  }
}

TEST_F(Interrupted, OtherFlagsThanTheCheckpointsAreNamed) {
  const auto refused = [&](const Words& more) {
    Words words = training("refused.onnx", {"--resume", "whole"});
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.status, 65) << outcome.err;
    return outcome.err;
  };
  EXPECT_NE(refused({"--accumulate", "4"}).find("  try: --accumulate "), std::string::npos);
  EXPECT_NE(refused({"--batch", "4"}).find("batch: checkpoint 8, asked for 4"), std::string::npos);
  EXPECT_NE(refused({"--seed", "1"}).find("another seed"), std::string::npos);
  const Outcome nowhere = run(training("refused.onnx", {"--checkpoint-every", "5"}));
  EXPECT_EQ(nowhere.status, 64);
  EXPECT_NE(nowhere.err.find("--checkpoint-every needs a place to write to"), std::string::npos);
}

}  // namespace
}  // namespace mpsearch
