// Work that must not be lost, and figures that must not be taken for others: interrupts, a disk
// that takes no model, batches larger than the data, data that are made up.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "search/cli/paths.h"
#include "tests/cli/json_schema.h"
#include "tests/cli/run_command.h"
#include "tests/runtime/dataset_files.h"

namespace mpsearch {
namespace {

using nlohmann::json;
using test::departure_from_schema;
using test::Outcome;
using test::read_text;
using test::RunningCommand;
using test::TemporaryFolder;
using Words = std::vector<std::string>;

constexpr const char* kWarning =
    "warning: no --data: the data are made up at random: loss and accuracy say nothing of the "
    "network\n";

class KeptWork : public testing::Test {
 protected:
  KeptWork() {
    EXPECT_EQ(
        run({"zoo", "mlp", "--inputs", "4", "--hidden", "8", "--classes", "3", "-o", "net.onnx"})
            .status,
        0);
  }
  static Words environment() { return {"MPSEARCH_PROFILE_CACHE=cache", "MPSEARCH_THREADS=1"}; }
  Outcome run(const Words& words) const { return test::run_command(folder_, words, environment()); }
  std::string path(const std::string& name) const { return folder_.path(name); }

  /// x.npy and y.npy of so many samples.
  void write_data(std::size_t samples) const {
    const std::string count = std::to_string(samples);
    folder_.write("x.npy", npy_floats("(" + count + ", 4)", std::vector<float>(samples * 4, 0.5F)));
    folder_.write("y.npy", npy_labels(std::vector<std::int64_t>(samples, 1)));
  }

  /// Starts the command, and acts once its log says `sign`.
  Outcome act_at(Words words, const std::string& sign,
                 const std::function<void(const RunningCommand&)>& act) const {
    words.insert(words.end(), {"--log-file", "log.txt"});
    RunningCommand command(folder_, words, environment());
    while (read_text(path("log.txt")).find(sign) == std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    act(command);
    return command.wait();
  }
  Outcome interrupt_at(Words words, const std::string& sign) const {
    return act_at(std::move(words), sign,
                  [](const RunningCommand& command) { command.send(SIGINT); });
  }

  TemporaryFolder folder_;
};

TEST_F(KeptWork, AnInterruptedEvaluationShowsNoFigures) {
  write_data(400000);
  const Outcome outcome =
      interrupt_at({"eval", "net.onnx", "--data", "x.npy,y.npy", "--batch", "1"}, "eval 10 %");
  EXPECT_EQ(outcome.status, 130);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("error: interrupted after "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(" of 400000 samples\n"), std::string::npos) << outcome.err;
}

TEST_F(KeptWork, AnInterruptedBenchSaysHowMuchOfItThereIs) {
  for (const bool as_json : {false, true}) {
    Words words{"bench", "net.onnx", "--batch", "4", "--steps", "200000"};
    if (as_json) words.emplace_back("--json");
    std::filesystem::remove(path("log.txt"));
    const Outcome outcome = interrupt_at(words, "bench 10 %");
    EXPECT_EQ(outcome.status, 130);
    EXPECT_NE(outcome.err.find("warning: interrupted: these are figures of "), std::string::npos)
        << outcome.err;
    if (as_json) {
      EXPECT_EQ(departure_from_schema(outcome.out, "bench"), "");
      EXPECT_EQ(json::parse(outcome.out)["interrupted"], true);
      EXPECT_LT(json::parse(outcome.out)["steps"], 200000);
    } else {
      EXPECT_NE(outcome.out.find(" steps; interrupted, 200000 were asked for\n"), std::string::npos)
          << outcome.out;
    }
  }
}

TEST_F(KeptWork, ABatchOfMoreThanTheDataIsRefusedBeforeAnyWork) {
  write_data(6);
  const std::string refusal =
      "error: batch 8 is more than the data hold\n"
      "  at: x.npy,y.npy\n"
      "  why: it has 6 samples\n"
      "  try: --batch 6 or less\n";
  for (const char* verb : {"plan", "train", "profile", "compare", "pareto"}) {
    const Outcome outcome =
        run({verb, "net.onnx", "--data", "x.npy,y.npy", "--batch", "8", "--effort", "fast", "-q"});
    EXPECT_EQ(outcome.status, 64) << verb;
    EXPECT_EQ(outcome.err, refusal) << verb;
    EXPECT_EQ(outcome.out, "") << verb;
  }
  const Outcome accumulated = run({"train", "net.onnx", "--data", "x.npy,y.npy", "--batch", "4",
                                   "--accumulate", "2", "--steps", "1"});
  EXPECT_NE(accumulated.err.find("error: batch 4 x 2 accumulated is more than the data hold"),
            std::string::npos);
  EXPECT_NE(accumulated.err.find("  try: --batch 3 or less\n"), std::string::npos);
  EXPECT_EQ(
      run({"train", "net.onnx", "--data", "x.npy,y.npy", "--batch", "6", "--steps", "1"}).status,
      0);

  // Classes are evaluated in padded batches, numbers in whole ones only.
  const Words eval{"eval", "net.onnx", "--data", "x.npy,y.npy", "--batch", "8"};
  EXPECT_EQ(run(eval).status, 0);
  folder_.write("y.npy", npy_floats("(6, 3)", std::vector<float>(18, 0.5F)));
  const Outcome numbers = run(eval);
  EXPECT_EQ(numbers.status, 64);
  EXPECT_EQ(numbers.out, "");
  EXPECT_NE(numbers.err.find("only whole batches are evaluated\n  try: --batch 6\n"),
            std::string::npos)
      << numbers.err;
}

TEST_F(KeptWork, WhereTheModelCannotBeSavedTheTrainingIsKept) {
  std::filesystem::create_directory(path("out"));
  const Words words{"train", "net.onnx", "--steps", "20000", "-o", "out/a.onnx"};
  const Outcome outcome = act_at(words, "train fp32 10 %", [&](const RunningCommand&) {
    std::filesystem::remove_all(path("out"));
    folder_.write("out", "no folder");
  });
  EXPECT_EQ(outcome.status, 73) << outcome.err;
  EXPECT_NE(outcome.err.find("the training is kept in a.checkpoint/checkpoint.mpsearch\n"),
            std::string::npos)
      << outcome.err;
  EXPECT_NE(outcome.err.find(" --resume a.checkpoint\n"), std::string::npos) << outcome.err;

  const Outcome rest = run({"train", "net.onnx", "--steps", "20000", "-o", "b.onnx", "--resume",
                            "a.checkpoint", "--json"});
  ASSERT_EQ(rest.status, 0) << rest.err;
  EXPECT_EQ(json::parse(rest.out)["steps"], 20000);
  const Outcome whole =
      run({"train", "net.onnx", "--steps", "20000", "-o", "whole.onnx", "--json"});
  ASSERT_EQ(whole.status, 0) << whole.err;
  EXPECT_EQ(read_text(path("b.onnx")), read_text(path("whole.onnx")));
}

TEST_F(KeptWork, AFullDiskIsFoundBeforeTheWork) {
  constexpr std::int64_t kHalf = std::int64_t{1} << 61;
  const std::vector<PlannedFile> files{{"the trained model", path("a.onnx"), 1},
                                       {"the checkpoint", path("none/yet/checkpoint"), kHalf}};
  try {
    require_space(files);
    FAIL() << "there is room for everything";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::InputOutput);
    EXPECT_EQ(error.text().what, "the disk has no room for the checkpoint");
    EXPECT_EQ(error.text().at, path("none/yet/checkpoint"));
    EXPECT_NE(error.text().why.find("needs about 2305843009213693953 bytes, "), std::string::npos)
        << error.text().why;
  }
  require_space(std::span(files).first(1));
  const PlannedFile device{"the trained model", "/dev/null", kHalf};
  require_space(std::span(&device, 1));
}

TEST_F(KeptWork, FiguresOfMadeUpDataSaySo) {
  const Outcome eval = run({"eval", "net.onnx", "-q"});
  EXPECT_EQ(eval.err, kWarning);
  EXPECT_NE(eval.out.find("note      the data are made up at random"), std::string::npos);
  const Outcome train = run({"train", "net.onnx", "--steps", "1", "-q"});
  EXPECT_EQ(train.err, kWarning);
  EXPECT_NE(train.out.find("note     the data are made up at random"), std::string::npos);
  for (const Words& words :
       {Words{"eval", "net.onnx", "--data", "synthetic", "-q", "--json"},
        Words{"train", "net.onnx", "--data", "synthetic", "--steps", "1", "-q", "--json"}}) {
    const Outcome asked = run(words);
    EXPECT_EQ(asked.err, "");
    EXPECT_EQ(json::parse(asked.out)["synthetic"], true);
  }
  write_data(6);
  const Outcome real = run({"eval", "net.onnx", "--data", "x.npy,y.npy", "--json", "-q"});
  EXPECT_EQ(real.err, "");
  EXPECT_EQ(json::parse(real.out)["synthetic"], false);
}

TEST_F(KeptWork, ExportNamesWhatIsMissingAndNamesItsOwnFile) {
  const Outcome missing = run({"export", "net.onnx", "-o", "typed.onnx"});
  EXPECT_EQ(missing.status, 64);
  EXPECT_EQ(missing.err,
            "error: export needs --plan\n"
            "  why: it writes the network as the plan runs it\n"
            "  try: mpsearch export net.onnx --plan plan.json\n");
  ASSERT_EQ(run({"net.onnx", "--budget", "100%", "--batch", "4", "--effort", "fast",
                 "--paired-steps", "0"})
                .status,
            0);
  const Outcome typed = run({"export", "net.onnx", "--plan", "plan.json"});
  EXPECT_EQ(typed.status, 0) << typed.err;
  EXPECT_EQ(typed.out, "net-typed.onnx\n");
  EXPECT_TRUE(std::filesystem::exists(path("net-typed.onnx")));
}

}  // namespace
}  // namespace mpsearch
