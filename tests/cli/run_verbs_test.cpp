// Verbs that measure and train, on a narrow LeNet with made-up data: keys, files and exit codes.
#include "tests/cli/run_verbs.h"

#include <filesystem>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

namespace mpsearch::test {
namespace {

using nlohmann::json;

TEST_F(RunVerbs, PlanHasTheStableKeysAndKeepsTheBudget) {
  const json plan = json::parse(plan_);
  EXPECT_LE(plan["peak_bytes"], plan["budget_bytes"]);
  EXPECT_EQ(plan["layers"].size(), 5U);
  for (const json& layer : plan["layers"]) {
    EXPECT_FALSE(layer["reason"].get<std::string>().empty());
  }
  EXPECT_TRUE(std::filesystem::exists(path("plan.json")));
}

TEST_F(RunVerbs, PlanningAgainFromTheCacheGivesTheSameBytes) {
  const std::string before = read_text(path("plan.json"));
  const Outcome outcome =
      run({"net.onnx", "--budget", "96%", "--batch", "8", "-o", "again.json"}, true);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(read_text(path("again.json")), before);
}

TEST_F(RunVerbs, ABudgetWithoutPlanIsAnAnswerThatNamesTheLeastOne) {
  const Outcome outcome =
      run({"net.onnx", "--budget", "10KiB", "--batch", "8", "-o", "none.json", "--json"}, true);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_EQ(departure_from_schema(outcome.out, "plan"), "");
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(answer["status"], "infeasible");
  EXPECT_NE(outcome.err.find("error: no plan fits into 10.0 KiB (10240 bytes)"), std::string::npos);
  EXPECT_NE(outcome.err.find("  try: mpsearch net.onnx --batch 8 -o none.json --json --budget "),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("none.json")));

  const std::int64_t least = answer["least_budget_bytes"];
  const auto at = [&](std::int64_t bytes) {
    return run({"net.onnx", "--budget", std::to_string(bytes) + "B", "--batch", "8", "--dry-run"},
               true);
  };
  EXPECT_EQ(at(least).status, 0);
  EXPECT_EQ(at(least - 1).status, 1);
}

TEST_F(RunVerbs, ABudgetThatBytesAloneRuleOutIsRefusedBeforeAnythingIsMeasured) {
  namespace fs = std::filesystem;
  const auto refuse = [&](const std::string& cache) {
    const Outcome outcome = run({"net.onnx", "--budget", "10KiB", "--batch", "8", "--dry-run",
                                 "--json", "--profile-cache", cache},
                                true);
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_EQ(departure_from_schema(outcome.out, "plan"), "");
    return std::pair(json::parse(outcome.out), outcome.err);
  };
  // The same kernels, and no scores: the same bytes.
  fs::create_directory(path("speeds"));
  for (const fs::path& file : fs::directory_iterator(path("cache"))) {
    if (file.filename().string().starts_with("speed-")) {
      fs::copy_file(file, path("speeds") / file.filename());
    }
  }
  const auto [measured, measured_text] = refuse("cache");
  const auto [early, text] = refuse("speeds");
  EXPECT_EQ(measured["by_bytes_alone"], false);
  EXPECT_EQ(early["by_bytes_alone"], true);
  for (const char* key :
       {"budget_bytes", "least_budget_bytes", "limiting_event", "tensors", "parts"}) {
    EXPECT_EQ(early[key], measured[key]) << key;
  }
  EXPECT_EQ(early["levers"].size(), measured["levers"].size());
  EXPECT_NE(text.find("the least possible peak at batch 8 is at least "), std::string::npos);
  EXPECT_EQ(measured_text.find("at least"), std::string::npos);

  // With nothing known nothing is measured either, and no kernels make the least budget smaller.
  const auto [fresh, fresh_text] = refuse("fresh");
  EXPECT_EQ(fresh["by_bytes_alone"], true);
  EXPECT_LE(fresh["least_budget_bytes"], early["least_budget_bytes"]);
  EXPECT_EQ(fresh_text.find("measure"), std::string::npos) << fresh_text;
  EXPECT_FALSE(fs::exists(path("fresh")));
  const Outcome dumped = run({"net.onnx", "--budget", "10KiB", "--batch", "8", "--json",
                              "--profile-cache", "fresh", "--dump-problem", "problem.json"},
                             true);
  EXPECT_EQ(json::parse(dumped.out)["by_bytes_alone"], false);
}

TEST_F(RunVerbs, EachLeverOfAnImpossibleBudgetIsComputed) {
  const auto least_of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"net.onnx", "--budget", "200KiB", "--json"});
    const Outcome outcome = run(words, true);
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_EQ(departure_from_schema(outcome.out, "plan"), "");
    EXPECT_EQ(json::parse(outcome.out)["by_bytes_alone"], false);
    return std::pair(json::parse(outcome.out), outcome.err);
  };
  for (const char* batch : {"16", "1"}) {
    EXPECT_EQ(run({"net.onnx", "--batch", batch, "--fp8-edges", "--dry-run"}, true).status, 0);
  }
  // A lever that does not claim to be exact is the first arena found: never below the least one.
  const auto expect_lever = [](const json& answer, const std::string& change, const json& run) {
    const std::int64_t least = run["least_budget_bytes"];
    for (const json& lever : answer["levers"]) {
      if (lever["change"] != change) continue;
      EXPECT_GE(lever["least_budget_bytes"], least) << change;
      EXPECT_TRUE(!lever["exact"] || lever["least_budget_bytes"] == least) << change;
      EXPECT_LT(lever["least_budget_bytes"], 1.1 * static_cast<double>(least)) << change;
      return;
    }
    ADD_FAILURE() << "no lever " << change;
  };
  // The widest choice first: the others find every kernel measured, the same one as fastest.
  const auto [edges, edges_text] = least_of({"--batch", "16", "--fp8-edges"});
  const auto [single, single_text] = least_of({"--batch", "1", "--pin", "conv*=fp32"});
  const auto [free, free_text] = least_of({"--batch", "16"});
  const auto [pinned, text] = least_of({"--batch", "16", "--pin", "conv*=fp32"});
  expect_lever(pinned, "without --pin 'conv*=fp32'", free);
  expect_lever(free, "--fp8-edges", edges);
  expect_lever(pinned, "--batch 1", single);
  EXPECT_LT(free["least_budget_bytes"], pinned["least_budget_bytes"]);
  EXPECT_NE(text.find("without --pin 'conv*=fp32': least peak "), std::string::npos) << text;
  std::int64_t before = std::numeric_limits<std::int64_t>::max();
  for (const json& tensor : free["tensors"]) {
    EXPECT_LE(tensor["bytes"], before);
    before = tensor["bytes"];
  }
}

TEST_F(RunVerbs, APinThatForbidsEveryPlanIsNamed) {
  const Outcome outcome =
      run({"net.onnx", "--batch", "8", "--pin", "conv*=fp8", "--data", "synthetic", "-q", "--json"},
          true);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(departure_from_schema(outcome.out, "plan"), "");
  EXPECT_EQ(json::parse(outcome.out)["status"], "infeasible");
  EXPECT_EQ(outcome.err,
            "error: no plan obeys the pins: layer 'conv1' cannot be FP8\n"
            "  at: --pin 'conv*'\n"
            "  why: first and last weighted layers stay above FP8 (--fp8-edges)\n"
            "  try: --pin with one of the precisions that the layer allows\n");
  const Outcome limits = run(
      {"net.onnx", "--batch", "8", "--pin", "conv*=fp32", "--max-time-ratio", "0.001", "--json"},
      true);
  EXPECT_EQ(limits.status, 1);
  EXPECT_EQ(departure_from_schema(limits.out, "plan"), "");
  EXPECT_NE(limits.err.find("no plan at any budget keeps --max-time-ratio 0.001, --pin "
                            "'conv*=FP32'"),
            std::string::npos)
      << limits.err;
  EXPECT_NE(limits.err.find("without --max-time-ratio: least peak"), std::string::npos);
}

TEST_F(RunVerbs, TrainByThePlanWritesAModelThatEvalReads) {
  const Outcome outcome = run({"train", "net.onnx", "--plan", "plan.json", "--steps", "6", "--json",
                               "--log-losses", "-o", "trained.onnx"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(departure_from_schema(outcome.out, "train"), "");
  EXPECT_EQ(answer["steps"], 6);
  EXPECT_EQ(answer["losses"].size(), 6U);
  EXPECT_EQ(answer["predicted_peak_bytes"], json::parse(plan_)["peak_bytes"]);
  EXPECT_LE(answer["peak_bytes"], answer["predicted_peak_bytes"]);
  EXPECT_TRUE(std::filesystem::exists(path("trained.run.ndjson")));

  const Outcome eval = run({"eval", "trained.onnx", "--batch", "8", "--json"});
  ASSERT_EQ(eval.status, 0) << eval.err;
  EXPECT_EQ(departure_from_schema(eval.out, "eval"), "");
  const json evaluated = json::parse(eval.out);
  EXPECT_EQ(evaluated["metric"]["name"], "accuracy");
  // The trained file is the plan's model still.
  EXPECT_EQ(run({"eval", "trained.onnx", "--plan", "plan.json"}).status, 0);
}

TEST_F(RunVerbs, AResumedRunIsTheUninterruptedOne) {
  const std::vector<std::string> common{"train", "net.onnx", "--precision", "fp16",  "--batch",
                                        "8",     "--lr",     "0.01",        "--json"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = common;
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  };
  with({"--steps", "8", "-o", "whole.onnx"});
  with({"--steps", "4", "-o", "half.onnx", "--checkpoint", "kept"});
  with({"--steps", "8", "-o", "rest.onnx", "--resume", "kept"});
  EXPECT_EQ(read_text(path("whole.onnx")), read_text(path("rest.onnx")));
  EXPECT_NE(read_text(path("whole.onnx")), read_text(path("half.onnx")));
}

TEST_F(RunVerbs, BenchPredictsThePeakThatItMeasures) {
  for (const char* precision : {"fp32", "bf16", "fp16", "fp8", "amp"}) {
    const Outcome outcome = run(
        {"bench", "net.onnx", "--batch", "8", "--steps", "2", "--precision", precision, "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const json answer = json::parse(outcome.out);
    EXPECT_EQ(departure_from_schema(outcome.out, "bench"), "");
    EXPECT_EQ(answer["peak_bytes"], answer["predicted_peak_bytes"]) << precision;
  }
}

TEST_F(RunVerbs, APlanWithAccumulationIsPredictedAndRunAlike) {
  const Outcome plan = run({"net.onnx", "--budget", "100%", "--batch", "4", "--accumulate", "3",
                            "-o", "accumulated.json", "--json"},
                           true);
  ASSERT_EQ(plan.status, 0) << plan.err;
  const Outcome outcome = run({"train", "net.onnx", "--plan", "accumulated.json", "--steps", "3",
                               "-o", "accumulated.onnx", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(answer["peak_bytes"], json::parse(plan.out)["peak_bytes"]);
  EXPECT_EQ(answer["predicted_peak_bytes"], answer["peak_bytes"]);
  EXPECT_EQ(run({"verify", "net.onnx", "--plan", "accumulated.json"}).status, 0);
  const Outcome bench = run({"bench", "net.onnx", "--plan", "accumulated.json", "--json"});
  EXPECT_EQ(json::parse(bench.out)["accumulate"], 3) << bench.err;
}

TEST_F(RunVerbs, BatchAutoIsTheLargestThatABudgetAllows) {
  const auto plan = [](const std::string& batch) {
    return run({"net.onnx", "--budget", "600KiB", "--batch", batch, "--dry-run", "--json"}, true);
  };
  const Outcome outcome = plan("auto");
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_LE(json::parse(outcome.out)["peak_bytes"], 600 * 1024);
  const std::size_t at = outcome.err.find("batch ");
  ASSERT_NE(at, std::string::npos) << outcome.err;
  const int batch = std::stoi(outcome.err.substr(at + 6));
  EXPECT_GT(batch, 1);
  EXPECT_EQ(plan(std::to_string(batch)).status, 0);
  EXPECT_EQ(plan(std::to_string(batch + 2)).status, 1) << batch;

  const Outcome share = run({"net.onnx", "--budget", "80%", "--batch", "auto"}, true);
  EXPECT_EQ(share.status, 64);
  EXPECT_NE(share.err.find("error: --batch auto needs a --budget in bytes\n"), std::string::npos);
  EXPECT_EQ(run({"bench", "net.onnx", "--batch", "auto"}).status, 64);
}

TEST_F(RunVerbs, ProfileAndCompareHaveTheirKeys) {
  const Outcome profile = run({"profile", "net.onnx", "--batch", "8", "--json"}, true);
  ASSERT_EQ(profile.status, 0) << profile.err;
  EXPECT_EQ(departure_from_schema(profile.out, "profile"), "");
  const json layer = json::parse(profile.out)["layers"][1];
  EXPECT_EQ(layer["ms"]["BF16"].size(), 3U);
  EXPECT_TRUE(json::parse(profile.out).contains("steps"));
  const Outcome compare = run({"compare", "net.onnx", "--batch", "8", "--json"}, true);
  ASSERT_EQ(compare.status, 0) << compare.err;
  EXPECT_EQ(departure_from_schema(compare.out, "compare"), "");
  EXPECT_EQ(json::parse(compare.out)["rows"].size(), 6U);
}

TEST_F(RunVerbs, CompareTrainsEachRowThatFitsWhereItIsToldHowLong) {
  const Outcome small = run(
      {"compare", "net.onnx", "--batch", "8", "--budget", "95%", "--steps", "2", "--json"}, true);
  ASSERT_EQ(small.status, 0) << small.err;
  EXPECT_EQ(departure_from_schema(small.out, "compare"), "");
  const json rows = json::parse(small.out)["rows"];
  EXPECT_FALSE(rows.front()["feasible"]);
  EXPECT_TRUE(rows.front()["metric"].is_null());
  EXPECT_EQ(rows.back()["metric"]["name"], "training loss");
  EXPECT_EQ(run({"compare", "net.onnx", "--budget", "1B", "--json"}, true).status, 1);
  const Outcome idle = run({"compare", "net.onnx", "--warmup", "5"}, true);
  EXPECT_EQ(idle.status, 64);
  EXPECT_NE(idle.err.find("error: --warmup without --epochs or --steps\n"), std::string::npos);
}

TEST_F(RunVerbs, AFlagOfAnotherScheduleIsRefused) {
  const Outcome outcome = run({"train", "net.onnx", "--schedule", "cosine", "--step-size", "10"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_NE(outcome.err.find("error: --step-size is for --schedule step\n"), std::string::npos);
}

TEST_F(RunVerbs, WithoutDataOneValueASampleIsANumberToFit) {
  ASSERT_EQ(
      run({"zoo", "mlp", "--inputs", "4", "--hidden", "8", "--classes", "1", "-o", "one.onnx"})
          .status,
      0);
  const Outcome outcome =
      run({"train", "one.onnx", "--batch", "4", "--steps", "1", "-o", "o.onnx"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("loss       mse (no --data; the output has shape [4, 1])"),
            std::string::npos)
      << outcome.err;
}

TEST_F(RunVerbs, ExportWritesATypedModel) {
  const Outcome outcome =
      run({"export", "net.onnx", "--plan", "plan.json", "-o", "typed.onnx", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(departure_from_schema(outcome.out, "export"), "");
  EXPECT_TRUE(std::filesystem::exists(path("typed.onnx")));
}

TEST_F(RunVerbs, ParetoWritesAPlanForEachPoint) {
  const Outcome outcome =
      run({"pareto", "net.onnx", "--batch", "8", "--points", "4", "-o", "front", "--json"}, true);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(departure_from_schema(outcome.out, "pareto"), "");
  double before = std::numeric_limits<double>::infinity();
  const json front = json::parse(outcome.out);
  for (const json& point : front["points"]) {
    EXPECT_LE(point["peak_bytes"], point["budget_bytes"]);
    EXPECT_LE(point["sensitivity"], before);
    before = point["sensitivity"];
    EXPECT_EQ(run({"verify", "net.onnx", "--plan", point["plan"]}).status, 0);
  }
}

TEST_F(RunVerbs, OpsListsWhatEveryNetworkOfTheZooNeeds) {
  const Outcome outcome = run({"ops", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(departure_from_schema(outcome.out, "ops"), "");
  std::set<std::string> known;
  for (const json& row : json::parse(outcome.out)) known.insert(row["op"]);
  const json nodes = json::parse(run({"inspect", "net.onnx", "--json"}).out)["nodes_by_op"];
  for (const auto& [op, count] : nodes.items()) EXPECT_TRUE(known.contains(op)) << op;
  EXPECT_EQ(departure_from_schema(run({"devices", "--json"}).out, "devices"), "");
}

TEST_F(RunVerbs, ErrorsOfANewUserSayWhatToDo) {
  const Outcome unit = run({"net.onnx", "--budget", "512"});
  EXPECT_EQ(unit.status, 64);
  EXPECT_EQ(unit.err,
            "error: --budget 512: not a size\n"
            "  why: a size needs a unit\n"
            "  try: --budget 512MiB, --budget 512MB, or of the FP32 peak --budget 80%, --budget "
            "0.8x\n");
  const Outcome pin = run({"net.onnx", "--batch", "8", "--pin", "conf1=fp32"}, true);
  EXPECT_EQ(pin.status, 64);
  EXPECT_NE(pin.err.find("error: pattern 'conf1' matches no layer\n"), std::string::npos);
  EXPECT_NE(pin.err.find("did you mean conv1"), std::string::npos) << pin.err;
  const Outcome data = run({"train", "net.onnx", "--data", "fashion"});
  EXPECT_EQ(data.status, 66);
  const Outcome device = run({"train", "net.onnx", "--device", "cuda"});
  EXPECT_EQ(device.status, 69);
  EXPECT_NE(device.err.find("libcuda.so.1"), std::string::npos) << device.err;
  EXPECT_EQ(run({"train", "net.onnx", "--plan", "none.json"}).status, 66);
}

TEST_F(RunVerbs, APlanOfAnotherModelIsRefused) {
  ASSERT_EQ(run({"zoo", "lenet", "--width", "0.5", "--seed", "7", "-o", "other.onnx"}).status, 0);
  const Outcome other = run({"verify", "other.onnx", "--plan", "plan.json"});
  EXPECT_EQ(other.status, 65);
  EXPECT_NE(other.err.find("error: the plan is of another model\n"), std::string::npos)
      << other.err;
}

}  // namespace
}  // namespace mpsearch::test
