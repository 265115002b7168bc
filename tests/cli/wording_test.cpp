// What errors and results say: the fact once, with its unit, and what to do about it.
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/cli/run_command.h"
#include "tests/runtime/dataset_files.h"

namespace mpsearch {
namespace {

using nlohmann::json;
using test::Outcome;
using test::read_text;
using test::TemporaryFolder;
using Words = std::vector<std::string>;

/// A small network and its plan, for all tests of this file.
class Wording : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    ASSERT_EQ(
        run({"zoo", "mlp", "--inputs", "4", "--hidden", "8", "--classes", "3", "-o", "net.onnx"})
            .status,
        0);
    const Outcome plan = run({"net.onnx", "--budget", "100%", "--batch", "4", "--effort", "fast",
                              "--paired-steps", "0"});
    ASSERT_EQ(plan.status, 0) << plan.err;
  }
  static void TearDownTestSuite() { delete folder_; }

  static Outcome run(const Words& words) {
    return test::run_command(*folder_, words,
                             {"MPSEARCH_PROFILE_CACHE=cache", "MPSEARCH_THREADS=1"});
  }
  static std::string path(const std::string& name) { return folder_->path(name); }
  static void expect_says(const Outcome& outcome, const std::string& text) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
  }

  inline static TemporaryFolder* folder_ = nullptr;
};

TEST_F(Wording, AnUnknownPrecisionIsNamedInTheFlagThatHasIt) {
  const Outcome outcome = run({"net.onnx", "--pin", "conv1=fp12"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_EQ(outcome.err,
            "error: --pin conv1=fp12: no precision 'fp12'\n"
            "  why: there are fp32, bf16, fp16 and fp8\n"
            "  try: --pin conv1=bf16\n");
  expect_says(run({"net.onnx", "--forbid", "fp12"}), "  try: --forbid bf16\n");
  EXPECT_NE(run({"train", "--help"}).out.find("(fp32, bf16,"), std::string::npos);
}

TEST_F(Wording, FilesThatArePlansButNotWholeOrNotThereSayHowToGetOne) {
  expect_says(run({"train", "net.onnx", "--plan", "nope.json"}),
              "  try: mpsearch MODEL.onnx --budget SIZE -o nope.json\n");
  folder_->write("cut.json", read_text(path("plan.json")).substr(0, 500));
  const Outcome cut = run({"diff", "cut.json", "plan.json"});
  EXPECT_EQ(cut.status, 65);
  expect_says(cut, "  try: a copy that is whole, or the command that wrote it again\n");
  expect_says(run({"solve", "plan.json"}),
              "error: this is a plan, not a problem\n"
              "  at: plan.json\n"
              "  why: solve reads the optimisation problem that a plan answers\n"
              "  try: mpsearch MODEL.onnx --budget SIZE --dump-problem problem.json\n");
  expect_says(run({"diff", "plan.json"}), "  why: the plan to compare it with\n");
}

TEST_F(Wording, DataThatDoNotFitSayWhatWould) {
  const auto train = [&](const std::string& data) {
    return run({"train", "net.onnx", "--batch", "2", "--steps", "1", "--data", data, "-q"});
  };
  folder_->write("x.npy", npy_floats("(3, 4)", std::vector<float>(12, 0.5F)));
  folder_->write("y.npy", npy_labels({0, 1}));
  expect_says(train("x.npy,y.npy"),
              "  try: arrays whose first dimensions are equal: a row for each sample\n");
  folder_->write("y.npy", npy_labels({0, -1, 2}));
  expect_says(train("x.npy,y.npy"),
              "  try: integers from 0 to 2; -100 marks a target to leave out\n");
  expect_says(train("quite/elsewhere"), "  try: a path that exists, or --data synthetic\n");
}

TEST_F(Wording, AnEditedPlanIsKnownAsOne) {
  EXPECT_EQ(json::parse(run({"diff", "plan.json", "plan.json", "--json"}).out)["edited"],
            json({false, false}));
  json plan = json::parse(read_text(path("plan.json")));
  json& layer = plan["layers"][0];
  ASSERT_TRUE(layer["runner_up"].is_object());
  layer["precision"] = layer["runner_up"]["precision"];
  folder_->write("edited.json", plan.dump());
  const Outcome outcome = run({"diff", "plan.json", "edited.json"});
  EXPECT_NE(outcome.out.find("\nb was edited by hand: its figures are still those from before; "
                             "mpsearch verify net.onnx --plan edited.json says which hold\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.out.find("\na was edited"), std::string::npos);

  const Outcome verify = run({"verify", "net.onnx", "--plan", "edited.json"});
  EXPECT_EQ(verify.status, 1);
  EXPECT_NE(verify.out.find("proof    refused, see below\n"), std::string::npos) << verify.out;
}

TEST_F(Wording, ATypedExportIsKnownAsOne) {
  json plan = json::parse(read_text(path("plan.json")));
  for (json& layer : plan["layers"]) layer["precision"] = "FP8";
  folder_->write("fp8.json", plan.dump());
  const Outcome typed = run({"export", "net.onnx", "--plan", "fp8.json", "-o", "typed.onnx"});
  ASSERT_EQ(typed.status, 0) << typed.err;
  const Outcome eval = run({"eval", "typed.onnx", "--data", "synthetic"});
  EXPECT_EQ(eval.status, 65);
  expect_says(eval,
              "error: a typed export is for other runtimes: it can be neither trained nor "
              "evaluated here\n");
  expect_says(eval, "  try: run it with ONNX Runtime; here, the file that it was exported from");
}

TEST_F(Wording, BudgetsWithOnePlanShareARowOfTheFront) {
  const Outcome outcome = run({"pareto", "net.onnx", "--batch", "4", "--effort", "fast",
                               "--paired-steps", "0", "--points", "12", "-q"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::vector<json> choices;
  for (int i = 1; i <= 12; ++i) {
    const std::string name = "pareto/plan-" + std::string(i < 10 ? "0" : "") + std::to_string(i);
    json choice;
    for (const json& layer : json::parse(read_text(path(name + ".json")))["layers"]) {
      choice.push_back(layer["precision"]);
    }
    const bool row = outcome.out.find(name + ".json") != std::string::npos;
    EXPECT_EQ(row, choices.empty() || choices.back() != choice) << outcome.out;
    choices.push_back(choice);
  }
}

}  // namespace
}  // namespace mpsearch
