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
    planned_ = run({"net.onnx", "--budget", "100%", "--batch", "4", "--effort", "fast",
                    "--paired-steps", "0"});
  }
  // Not in SetUpTestSuite, whose failures CTest shows as skipped tests.
  void SetUp() override { ASSERT_EQ(planned_.status, 0) << planned_.err; }
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
  inline static Outcome planned_;
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
  EXPECT_NE(outcome.out.find("\nb was edited by hand since the search: its figures are still "
                             "those from before; mpsearch verify net.onnx --plan edited.json says "
                             "which hold\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.out.find("\na was edited"), std::string::npos);

  const Outcome verify = run({"verify", "net.onnx", "--plan", "edited.json"});
  EXPECT_EQ(verify.status, 1);
  EXPECT_NE(verify.out.find("proof    refused, see below\n"), std::string::npos) << verify.out;
  const std::string said = "edited.json was edited by hand since the search: its figures are still";
  expect_says(verify, said);
  const Outcome train = run(
      {"train", "net.onnx", "--plan", "edited.json", "--budget", "1MiB", "--steps", "1", "--json"});
  ASSERT_EQ(train.status, 0) << train.err;
  expect_says(train, said);
  EXPECT_EQ(json::parse(train.out)["edited"], true);

  // Also where no figure of the plan gives it away.
  plan = json::parse(read_text(path("plan.json")));
  plan["layers"].back()["precision"] = "BF16";
  for (json& each : plan["layers"]) each["runner_up"] = nullptr;
  folder_->write("other.json", plan.dump());
  EXPECT_EQ(json::parse(run({"diff", "plan.json", "other.json", "--json"}).out)["edited"],
            json({false, true}));
}

TEST_F(Wording, ARunOfOtherSettingsThanThePlansSaysWhich) {
  const Outcome same =
      run({"train", "net.onnx", "--plan", "plan.json", "--steps", "1", "--lr", "0.1", "--json"});
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_EQ(same.err.find("made for"), std::string::npos) << same.err;
  EXPECT_EQ(json::parse(same.out)["departures"], json::array());

  const Words other{"train",  "net.onnx", "--plan",  "plan.json", "--batch", "2",
                    "--clip", "1",        "--steps", "1",         "--json"};
  const Outcome fits = run(other);
  ASSERT_EQ(fits.status, 0) << fits.err;
  expect_says(
      fits,
      "warning: this run is not what plan.json was made for: batch 2, planned for 4; clip "
      "1, planned for 0; the plan's peak is predicted anew, its time and quality are not\n");
  EXPECT_EQ(json::parse(fits.out)["departures"],
            json({"batch 2, planned for 4", "clip 1, planned for 0"}));

  const Outcome large = run({"train", "net.onnx", "--plan", "plan.json", "--batch", "400"});
  EXPECT_EQ(large.status, 1);
  expect_says(large, "error: the run would exceed its budget\n");
  expect_says(large, "  why: with batch 400, planned for 4 its peak is ");
  const Outcome verify = run({"verify", "net.onnx", "--plan", "plan.json", "--batch", "400"});
  EXPECT_EQ(verify.status, 1);
  EXPECT_NE(verify.out.find("\n  batch 400, planned for 4\n"), std::string::npos) << verify.out;
}

TEST_F(Wording, ThePlanOfMadeUpDataAndItsReportSaySo) {
  const std::string meaning = "no --data: the data are made up at random: sensitivities";
  const Words small{"--batch", "4", "--effort", "fast", "--paired-steps", "0"};
  const auto with = [&](Words words) {
    words.insert(words.end(), small.begin(), small.end());
    return run(words);
  };
  const Outcome plan = with({"plan", "net.onnx", "-o", "made-up.json"});
  ASSERT_EQ(plan.status, 0) << plan.err;
  expect_says(plan, meaning);
  EXPECT_NE(plan.out.find(", of data made up at random\n"), std::string::npos) << plan.out;
  EXPECT_EQ(json::parse(read_text(path("made-up.json")))["settings"]["data"], "synthetic");
  EXPECT_NE(read_text(path("made-up.html")).find("The data are made up at random"),
            std::string::npos);
  const Outcome asked = with({"plan", "net.onnx", "--data", "synthetic", "--dry-run", "--json"});
  EXPECT_EQ(asked.err.find("made up"), std::string::npos) << asked.err;
  EXPECT_EQ(json::parse(asked.out)["synthetic"], true);

  const Outcome profile = run({"profile", "net.onnx", "--batch", "4", "--effort", "fast"});
  expect_says(profile, meaning);
  EXPECT_NE(profile.out.find("\nnote     the data are made up"), std::string::npos) << profile.out;
  const Outcome front = with({"pareto", "net.onnx", "--points", "1", "-o", "one"});
  expect_says(front, meaning);
  EXPECT_NE(front.out.find("\nnote    the data are made up"), std::string::npos) << front.out;
}

TEST_F(Wording, APlanOfAnotherNameHasAReportOfThatName) {
  const auto report_of = [&](const std::string& output) {
    const Outcome outcome = run({"net.onnx", "--batch", "4", "--effort", "fast", "--paired-steps",
                                 "0", "-o", output, "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return json::parse(outcome.out)["report"];
  };
  std::filesystem::create_directory(path("folder"));
  EXPECT_EQ(report_of("folder/plan.json"), "folder/report.html");
  EXPECT_EQ(report_of("plan-80.json"), "plan-80.html");
  EXPECT_EQ(report_of("folder/net.html"), "folder/net.html.html");
  EXPECT_EQ(report_of("bare"), "bare.html");
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
