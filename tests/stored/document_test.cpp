// Plans and profiles as JSON. The golden files hold a value that is not the default in every field,
// so that a field which one of the two directions forgets shows up as a difference.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "models/stored/plan.h"
#include "models/stored/profile.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

const std::string kFolder = MPSEARCH_SOURCE_DIR "/tests/stored/";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class PlanTest : public testing::Test {
 protected:
  std::string error_with(const std::string& from, const std::string& to) const {
    return error_of([&] { plan_from_json(replaced(golden_, from, to), "plan.json"); }, "\n\n");
  }
  const std::string golden_ = content_of(kFolder + "plan.golden.json");
};

TEST_F(PlanTest, EveryFieldSurvivesReadingAndWriting) {
  const Read<Plan> read = read_plan(kFolder + "plan.golden.json");
  EXPECT_TRUE(read.warnings.empty());
  const Plan& plan = read.value;
  EXPECT_EQ(plan_to_json(plan), golden_);
  EXPECT_EQ(plan.budget_bytes, 9007199254740993);  // no double holds it
  EXPECT_EQ(plan.settings.seed, 18446744073709551615U);
  EXPECT_EQ(plan.objective, 1.2345678901234566e-07);
  EXPECT_EQ(plan.layers[0].precision, Precision::FP8);
  EXPECT_EQ(plan.layers[0].runner_up, (RunnerUp{Precision::BF16, 3e-09}));
  EXPECT_EQ(plan.layers[0].reason, "low \"sensitivity\"\n\x01 \xC3\xA9");
  EXPECT_EQ(plan.layers[1].precision, Precision::FP16);
  EXPECT_FALSE(plan.layers[1].runner_up);
  EXPECT_EQ(plan.max_time_ratio, 1.5);
  EXPECT_FALSE(plan.max_sensitivity);
}

TEST_F(PlanTest, AnotherJsonReaderSeesNumbersAsNumbers) {
  const auto json =
      nlohmann::json::parse(plan_to_json(read_plan(kFolder + "plan.golden.json").value));
  EXPECT_EQ(json["budget_bytes"], 9007199254740993);
  EXPECT_EQ(json["layers"][0]["precision"], "FP8");
  EXPECT_EQ(json["settings"]["inputs"][0]["shape"], (std::vector<int>{64, 1, 28, 28}));
  EXPECT_TRUE(json["max_sensitivity"].is_null());
}

TEST_F(PlanTest, AnEmptyPlanPrintsEveryFieldAndReadsBack) {
  EXPECT_EQ(plan_from_json(plan_to_json(Plan()), "x").value, Plan());
}

TEST_F(PlanTest, DoublesReadBackExactly) {
  std::mt19937_64 random(3);
  Plan plan;
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t bits = random();
    std::memcpy(&plan.objective, &bits, sizeof bits);
    if (std::isfinite(plan.objective)) {
      EXPECT_EQ(plan_from_json(plan_to_json(plan), "x").value.objective, plan.objective);
    }
  }
}

TEST_F(PlanTest, TypingErrorsAreNamedWithTheNearestKey) {
  EXPECT_EQ(error_with("\"peak_bytes\"", "\"peek_bytes\""),
            "3: unknown key\n"
            "  at: plan.json\n"
            "  why: peek_bytes\n"
            "  try: did you mean peak_bytes?");
  EXPECT_EQ(error_with("\"precision\": \"FP16\"", "\"precisoin\": \"FP16\""),
            "3: unknown key\n"
            "  at: plan.json\n"
            "  why: layers[1].precisoin\n"
            "  try: did you mean precision?");
  EXPECT_EQ(error_with("\"precision\": \"FP16\"", "\"precision\": \"F16\""),
            "3: an unknown name\n"
            "  at: plan.json\n"
            "  why: layers[1].precision: expected one of FP32, BF16, FP16, FP8, got \"F16\"\n"
            "  try: did you mean BF16 or FP16?");
  EXPECT_EQ(error_with("  \"peak_bytes\": 41943040,\n", ""),
            "3: a key is missing\n"
            "  at: plan.json\n"
            "  why: peak_bytes");
  EXPECT_EQ(error_with("\"batch\": 64,", "\"batch\": 64, \"batch\": 32,"),
            "3: a key is given twice\n"
            "  at: plan.json\n"
            "  why: batch");
}

TEST_F(PlanTest, ValuesOfTheWrongTypeAreNamed) {
  EXPECT_EQ(error_with("\"peak_bytes\": 41943040", "\"peak_bytes\": \"41943040\""),
            "3: a value of the wrong type\n"
            "  at: plan.json\n"
            "  why: peak_bytes: expected an integer, got \"41943040\"");
  EXPECT_EQ(error_with("\"peak_bytes\": 41943040", "\"peak_bytes\": 9223372036854775808"),
            "3: a value of the wrong type\n"
            "  at: plan.json\n"
            "  why: peak_bytes: expected an integer in range, got 9223372036854775808");
  EXPECT_EQ(error_with("[64, 1, 28, 28]", "[64, 1, {}, 28]"),
            "3: a value of the wrong type\n"
            "  at: plan.json\n"
            "  why: settings.inputs[0].shape[2]: expected an integer, got an object");
  EXPECT_EQ(error_with("\"peak_bytes\": 41943040", "\"peak_bytes\": -1"),
            "3: a number is out of range\n"
            "  at: plan.json\n"
            "  why: peak_bytes must not be negative");
  EXPECT_EQ(error_with("/fc/Gemm", "/conv1/Conv"),
            "3: a layer is planned twice\n"
            "  at: plan.json\n"
            "  why: /conv1/Conv");
}

TEST_F(PlanTest, ANewerMinorVersionWarnsAndANewerMajorIsRefused) {
  const std::string newer = replaced(golden_, "\"minor\": 2", "\"minor\": 7");
  const Read<Plan> read =
      plan_from_json(replaced(newer, "\"step_ms\"", "\"colour\": {\"a\": [1]}, \"step_ms\""), "p");
  EXPECT_EQ(read.warnings,
            (std::vector<std::string>{"p: colour is of a newer mpsearch and was ignored"}));
  EXPECT_EQ(read.value.peak_bytes, 41943040);
  EXPECT_EQ(error_with("\"major\": 1", "\"major\": 2"),
            "3: the file was written by another version of mpsearch\n"
            "  at: plan.json\n"
            "  why: its schema version is 2.2, this program reads 1.x\n"
            "  try: upgrade mpsearch");
}

TEST_F(PlanTest, ALayerEditedSinceTheSearchIsKnownUnlessThePlanIsOfAnOlderSchema) {
  Plan plan = plan_from_json(golden_, "p").value;
  // The golden file's value is of Python's hashlib.
  EXPECT_EQ(decisions_of(plan), plan.decisions_sha256);
  EXPECT_FALSE(edited(plan));
  plan.layers[1].reason = "anything else";
  EXPECT_FALSE(edited(plan));
  plan.layers[1].precision = Precision::BF16;
  EXPECT_TRUE(edited(plan));

  const std::string key = ",\n  \"decisions_sha256\": \"" + plan.decisions_sha256 + "\"";
  const std::string without = replaced(golden_, key, "");
  EXPECT_NE(error_of([&] { plan_from_json(without, "p"); }, "\n\n").find("decisions_sha256"),
            std::string::npos);
  const Read<Plan> older = plan_from_json(replaced(without, "\"minor\": 2", "\"minor\": 1"), "p");
  EXPECT_TRUE(older.warnings.empty());
  EXPECT_FALSE(edited(older.value));
}

TEST_F(PlanTest, OtherFilesAreRefused) {
  EXPECT_EQ(error_of([] { read_plan(kFolder + "profile.golden.json"); }, kFolder),
            "3: the file is no mpsearch plan\n"
            "  at: FOLDERprofile.golden.json\n"
            "  why: its format is \"mpsearch profile\"");
  EXPECT_EQ(error_of([] { read_plan(kFolder + "absent.json"); }, kFolder),
            "4: the file does not exist\n"
            "  at: FOLDERabsent.json\n"
            "  why: No such file or directory\n"
            "  try: mpsearch MODEL.onnx --budget SIZE -o FOLDERabsent.json");
  EXPECT_EQ(error_of([] { plan_from_json("{\"format\": ", "p"); }, "\n\n").substr(0, 45),
            "3: not a complete JSON document\n  at: p\n  why");
  EXPECT_EQ(error_of([] { plan_from_json(std::string(100000, '['), "p"); }, "\n\n"),
            "3: not a document of mpsearch\n  at: p\n  why: nested too deeply");
  EXPECT_EQ(
      error_of([] { plan_from_json("[]", "p"); }, "\n\n"),
      "3: a value of the wrong type\n  at: p\n  why: document: expected an object, got a list");
}

TEST_F(PlanTest, MutatedPlansNeverCrashTheReader) {
  std::mt19937 random(2);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string mutant = golden_;
    if (round % 8 == 0) mutant.resize(random() % mutant.size());
    for (unsigned flips = 1 + random() % 3; flips-- > 0 && !mutant.empty();) {
      mutant[random() % mutant.size()] ^= static_cast<char>(1U << (random() % 8));
    }
    try {
      plan_to_json(plan_from_json(mutant, "p").value);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadContent) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(PlanTest, NamesThatAreNoUtf8AreStillWrittenAsJson) {
  Plan plan;
  plan.notes = {"a\xFF\xC3"};
  EXPECT_EQ(plan_from_json(plan_to_json(plan), "x").value.notes[0], "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(ProfileDocument, EveryFieldSurvivesReadingAndWriting) {
  const Read<Profile> read = read_profile(kFolder + "profile.golden.json");
  EXPECT_TRUE(read.warnings.empty());
  EXPECT_EQ(profile_to_json(read.value), content_of(kFolder + "profile.golden.json"));
  EXPECT_EQ(read.value.layers[0].sensitivity_error, 5.0);
  EXPECT_FALSE(read.value.layers[1].sensitivity);
  EXPECT_EQ(read.value.kernels[0].repeats, 10);
}

}  // namespace
}  // namespace mpsearch
