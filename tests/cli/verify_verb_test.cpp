// verify: what it accepts, what it refuses, and what it checks without the solver.
#include "tests/cli/run_verbs.h"

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

namespace mpsearch::test {
namespace {

using nlohmann::json;

using VerifyVerb = RunVerbs;

TEST_F(VerifyVerb, VerifyAcceptsThePlanAndRefusesAForgedOne) {
  const Outcome outcome = run({"verify", "net.onnx", "--plan", "plan.json", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  const json answer = json::parse(outcome.out);
  EXPECT_EQ(departure_from_schema(outcome.out, "verify"), "");
  EXPECT_TRUE(answer["ok"]);
  EXPECT_LE(answer["measured_peak_bytes"], answer["planned_peak_bytes"]);
  json forged = json::parse(read_text(path("plan.json")));
  forged["peak_bytes"] = forged["peak_bytes"].get<std::int64_t>() - 256;
  forged["budget_bytes"] = forged["peak_bytes"];
  std::ofstream(path("forged.json")) << forged.dump();
  const Outcome refused = run({"verify", "net.onnx", "--plan", "forged.json"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.out.find("  the measured peak is 256 bytes over the budget\n"),
            std::string::npos)
      << refused.out;
  EXPECT_NE(refused.out.find("an edited plan keeps the figures of the old one"), std::string::npos);
}

TEST_F(VerifyVerb, ALayerEditedByHandRunsAsWrittenAndVerifySaysWhatIsStale) {
  json edited = json::parse(read_text(path("plan.json")));
  edited["layers"][2]["precision"] = edited["layers"][2]["precision"] == "BF16" ? "FP32" : "BF16";
  std::ofstream(path("edited.json")) << edited.dump();
  const Outcome train =
      run({"train", "net.onnx", "--plan", "edited.json", "--steps", "2", "-o", "edited.onnx"});
  EXPECT_EQ(train.status, 0) << train.err;
  const Outcome verify = run({"verify", "net.onnx", "--plan", "edited.json", "--json"});
  EXPECT_EQ(verify.status, 1);
  const json answer = json::parse(verify.out);
  EXPECT_TRUE(answer["mismatches"].empty());  // what is written is what runs
  EXPECT_NE(answer["certificate"]["fault"], "");
  const json diff = json::parse(run({"diff", "plan.json", "edited.json", "--json"}).out);
  EXPECT_EQ(diff["layers"][2]["b"], edited["layers"][2]["precision"]);
}

/// There the first answers do not pack, and the plan that needs least memory stands in for them.
TEST_F(VerifyVerb, APlanAtTheLeastBudgetIsVerified) {
  ASSERT_EQ(run({"zoo", "unet", "--width", "0.25", "--image", "16", "-o", "u.onnx"}).status, 0);
  const auto plan = [&](const std::string& budget) {
    const Outcome outcome =
        run({"u.onnx", "--batch", "2", "--budget", budget, "--effort", "fast", "--paired-steps",
             "0", "-o", "least.json", "--report", "least.html", "--json"},
            true);
    return json::parse(outcome.out);
  };
  plan("100%");  // once all is measured, the least budget is no bound
  const std::int64_t least = plan("1B")["least_budget_bytes"];
  const json found = plan(std::to_string(least) + "B");
  EXPECT_EQ(found["peak_bytes"], least);
  const Outcome outcome = run({"verify", "u.onnx", "--plan", "least.json", "--json"}, true);
  EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(json::parse(outcome.out)["certificate"]["checked"]) << outcome.out;
}

TEST_F(VerifyVerb, VerifyChecksTheCertificateWithoutTheSolver) {
  const auto verify = [&](const std::string& file) {
    const Outcome outcome = run({"verify", "net.onnx", "--plan", file, "--steps", "1", "--json"});
    return json::parse(outcome.out);
  };
  const json good = verify("plan.json");
  EXPECT_TRUE(good["certificate"]["checked"]) << good;
  const json plan = json::parse(read_text(path("plan.json")));
  EXPECT_NEAR(good["certificate"]["root_bound"], plan["root_bound"],
              1e-9 * plan["objective"].get<double>());
  EXPECT_LE(plan["root_bound"], plan["bound"]);
  const auto falsified = [&](const std::string& key, const json& value) {
    json forged = plan;
    forged[key] = value;
    std::ofstream(path("forged.json")) << forged.dump();
    const json answer = verify("forged.json");
    EXPECT_FALSE(answer["ok"]) << key;
    return answer["certificate"]["fault"].get<std::string>();
  };
  const double objective = plan["objective"];
  EXPECT_NE(falsified("objective", 0.5 * objective), "");
  EXPECT_NE(falsified("bound", 0.5 * objective), "");
  EXPECT_NE(falsified("root_bound", plan["root_bound"].get<double>() + 0.01 * objective), "");
  EXPECT_NE(falsified("multipliers", json::array({{{"row", "bytes at event 0"}, {"value", -1}}})),
            "");
  EXPECT_EQ(falsified("multipliers", json::array({{{"row", "bytes at noon"}, {"value", 1}}})),
            "a multiplier is of no limit of the problem");
}

TEST_F(VerifyVerb, VerifyNeedsNoDataToCheckTheCertificateOfAPlanMadeWithData) {
  // An IDX pair by hand: 16 black images, all of class 1.
  const std::string head("\0\0\x08\x03\0\0\0\x10\0\0\0\x1c\0\0\0\x1c", 16);
  std::filesystem::create_directory(path("data"));
  std::ofstream(path("data/train-images-idx3-ubyte"), std::ios::binary)
      << head << std::string(16 * 28 * 28, '\0');
  std::ofstream(path("data/train-labels-idx1-ubyte"), std::ios::binary)
      << std::string("\0\0\x08\x01\0\0\0\x10", 8) << std::string(16, '\1');
  const Outcome plan = run({"net.onnx", "--batch", "8", "--budget", "96%", "--data", "data", "-o",
                            "data.json", "--report", "data.html"},
                           true);
  ASSERT_EQ(plan.status, 0) << plan.err;
  std::filesystem::remove_all(path("data"));
  const Outcome outcome = run({"verify", "net.onnx", "--plan", "data.json", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_TRUE(json::parse(outcome.out)["certificate"]["checked"]) << outcome.out;
}

}  // namespace
}  // namespace mpsearch::test
