// Verbs that need nothing but stored files: zoo, solve, diff.
#include <filesystem>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/stored/plan.h"
#include "models/zoo/zoo.h"
#include "search/cli/verb.h"
#include "tests/cli/json_schema.h"
#include "tests/cli/run_command.h"

namespace mpsearch {
namespace {

using nlohmann::json;
using test::Outcome;
using test::run_command;
using test::TemporaryFolder;

/// Two layers, two options each; lowering a layer halves its bytes and costs sensitivity 1 or 5.
std::string small_problem(int limit) {
  return R"({"version": 1, "objective": "sensitivity", "limits": {"bytes": )" +
         std::to_string(limit) + R"(, "ms": null, "sensitivity": null},
    "events": 1, "base": [100], "tensors": [],
    "layers": [
      {"name": "a", "options": [
        {"name": "FP32", "ms": 1, "sensitivity": 0, "bytes": [[0, 0, 200]], "writes": [], "reads": []},
        {"name": "BF16", "ms": 2, "sensitivity": 1, "bytes": [[0, 0, 100]], "writes": [], "reads": []}]},
      {"name": "b", "options": [
        {"name": "FP32", "ms": 1, "sensitivity": 0, "bytes": [[0, 0, 200]], "writes": [], "reads": []},
        {"name": "BF16", "ms": 2, "sensitivity": 5, "bytes": [[0, 0, 100]], "writes": [], "reads": []}]}],
    "pairs": []})";
}

TEST(Zoo, WritesEachNetworkAndListsThem) {
  const TemporaryFolder folder;
  const Outcome list = run_command(folder, {"zoo", "--json"});
  EXPECT_EQ(list.status, 0);
  EXPECT_EQ(test::departure_from_schema(list.out, "zoo"), "");
  EXPECT_EQ(json::parse(list.out)["networks"].size(), zoo().size());
  const Outcome outcome = run_command(folder, {"zoo", "lenet", "-o", "net.onnx", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["bytes"], std::filesystem::file_size(folder.path("net.onnx")));
  const Outcome small = run_command(folder, {"zoo", "lenet", "--width", "0.5", "--json"});
  EXPECT_EQ(json::parse(small.out)["model"], "lenet.onnx");
  EXPECT_LT(json::parse(small.out)["bytes"], json::parse(outcome.out)["bytes"]);
}

TEST(Zoo, HasAFlagForEveryOptionAndACompletionForEveryNetwork) {
  const CommandSet set = commands();
  const Options options(set.options_of("zoo"));
  const auto& words = set.find("zoo")->arguments[0].words;
  for (const ZooEntry& entry : zoo()) {
    EXPECT_NE(std::find(words.begin(), words.end(), entry.name), words.end()) << entry.name;
    for (const ZooOption& option : entry.options) {
      EXPECT_NE(options.find(option.name), nullptr) << option.name;
    }
  }
}

TEST(Zoo, AnUnknownNetworkOrOptionIsAUsageError) {
  const TemporaryFolder folder;
  const Outcome outcome = run_command(folder, {"zoo", "lennet"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_EQ(outcome.err,
            "error: no network 'lennet' in the zoo\n"
            "  why: there are mlp, lenet, vgg, resnet18, resnet50, mobilenetv2, unet, autoencoder, "
            "siamese, two-heads, transformer, transformer-lm\n"
            "  try: did you mean lenet?\n");
  EXPECT_EQ(run_command(folder, {"zoo", "mlp", "--image", "8"}).status, 64);
  EXPECT_EQ(run_command(folder, {"zoo", "mlp", "-o", "none/mlp.onnx"}).status, 73);
}

TEST(Solve, FindsTheBestChoiceWithinTheLimit) {
  const TemporaryFolder folder;
  folder.write("problem.json", small_problem(400));
  const Outcome outcome = run_command(folder, {"solve", "problem.json", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(test::departure_from_schema(outcome.out, "solve"), "");
  EXPECT_EQ(answer["status"], "optimal");
  EXPECT_EQ(answer["choice"], json::parse("[1, 0]"));
  EXPECT_EQ(answer["objective"], 1);
  EXPECT_EQ(answer["bound"], 1);
  EXPECT_EQ(answer["gap"], 0);
  EXPECT_EQ(run_command(folder, {"solve", "problem.json", "--solver", "cbc"}).status, 0);
}

TEST(Solve, CertifiesAndWritesTheProblemInBothForms) {
  const TemporaryFolder folder;
  folder.write("problem.json", small_problem(400));
  const Outcome outcome = run_command(folder, {"solve", "problem.json", "--certify", "--json",
                                               "--dump-lp", "p.lp", "--dump-problem", "p.json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(test::departure_from_schema(outcome.out, "solve"), "");
  const json certificate = json::parse(outcome.out)["certificate"];
  // 100 bytes are missing: the cheaper 100 cost 1, so a byte is worth 0.01.
  EXPECT_EQ(certificate["events"].size(), 1U);
  EXPECT_NEAR(certificate["checked_bound"], 1, 1e-9);
  EXPECT_NE(test::read_text(folder.path("p.lp")).find("Binaries"), std::string::npos);
  const Outcome again = run_command(folder, {"solve", "p.json", "--json"});
  EXPECT_EQ(json::parse(again.out)["choice"], json::parse(outcome.out)["choice"]);
}

TEST(Solve, AnInfeasibleProblemIsAnAnswerWithStatusOne) {
  const TemporaryFolder folder;
  folder.write("problem.json", small_problem(299));
  const Outcome outcome = run_command(folder, {"solve", "problem.json", "--json"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(json::parse(outcome.out)["status"], "infeasible");
  EXPECT_TRUE(json::parse(outcome.out)["objective"].is_null());
  EXPECT_EQ(test::departure_from_schema(outcome.out, "solve"), "");
}

/// Many layers that hold random bytes at many events: nothing finishes soon.
std::string hard_problem() {
  std::mt19937 random(7);
  json problem = {{"version", 1},
                  {"objective", "ms"},
                  {"limits", {{"bytes", 50000}}},
                  {"events", 30},
                  {"base", std::vector<int>(30, 0)},
                  {"tensors", json::array()},
                  {"layers", json::array()}};
  for (int l = 0; l < 100; ++l) {
    json options = json::array();
    for (int o = 0; o < 6; ++o) {
      json bytes = json::array();
      for (int e = 0; e < 30; ++e) bytes.push_back({e, e, random() % 1000});
      options.push_back({{"name", std::to_string(o)},
                         {"ms", static_cast<double>(random() % 100000) / 7},
                         {"sensitivity", 0},
                         {"bytes", bytes},
                         {"writes", json::array()},
                         {"reads", json::array()}});
    }
    problem["layers"].push_back({{"name", std::to_string(l)}, {"options", options}});
  }
  return problem.dump();
}

TEST(Solve, AnInterruptPrintsTheIncumbentWithItsGap) {
  const TemporaryFolder folder;
  folder.write("hard.json", hard_problem());
  const Outcome outcome =
      run_command(folder, {"solve", "hard.json", "--json"},
                  {"timeout", "--foreground", "--preserve-status", "-s", "INT", "6"});
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_EQ(test::departure_from_schema(outcome.out, "solve"), "");
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(answer["status"], "feasible");
  EXPECT_EQ(answer["choice"].size(), 100U);
  EXPECT_GT(answer["gap"], 0);
  EXPECT_LT(answer["bound"], answer["objective"]);
  EXPECT_LE(answer["peak_bytes"], 50000);
}

TEST(Solve, BadFilesHaveTheirExitCodes) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_command(folder, {"solve", "none.json"}).status, 66);
  folder.write("bad.json", "{");
  const Outcome outcome = run_command(folder, {"solve", "bad.json", "--json"});
  EXPECT_EQ(outcome.status, 65);
  EXPECT_EQ(outcome.out, "");
  folder.write("negative.json", small_problem(-1));
  EXPECT_EQ(run_command(folder, {"solve", "negative.json"}).status, 65);
}

TEST(Diff, NamesTheLayersThatDiffer) {
  const TemporaryFolder folder;
  Plan plan;
  plan.status = "optimal";
  plan.tool_version = "0.1.0";
  plan.model = {.name = "net.onnx", .sha256 = std::string(64, 'a')};
  plan.peak_bytes = 2048;
  plan.layers.resize(2);
  plan.layers[0].name = "conv1";
  plan.layers[1].name = "fc1";
  write_plan(folder.path("a.json"), plan);
  plan.layers[1].precision = Precision::FP8;
  plan.peak_bytes = 1024;
  write_plan(folder.path("b.json"), plan);
  const Outcome outcome = run_command(folder, {"diff", "a.json", "b.json", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(answer["layers"][0], json::parse(R"({"name": "conv1", "a": "FP32", "b": "FP32"})"));
  EXPECT_EQ(answer["layers"][1], json::parse(R"({"name": "fc1", "a": "FP32", "b": "FP8"})"));
  EXPECT_EQ(answer["peak_bytes"], json::parse("[2048, 1024]"));
  EXPECT_EQ(test::departure_from_schema(outcome.out, "diff"), "");
  const Outcome text = run_command(folder, {"diff", "a.json", "b.json"});
  EXPECT_NE(text.out.find("1 of 2 layers differ"), std::string::npos);
  EXPECT_EQ(run_command(folder, {"diff", "a.json"}).status, 64);
}

}  // namespace
}  // namespace mpsearch
