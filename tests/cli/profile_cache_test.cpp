// What the profile cache answers, as a user sees it.
#include "tests/cli/run_verbs.h"

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace mpsearch::test {
namespace {

using nlohmann::json;

using ProfileCacheOfThePlan = RunVerbs;

TEST_F(ProfileCacheOfThePlan, PinsAndForbidsNeedNoNewScores) {
  const auto scores = [&] {
    const auto files = std::filesystem::directory_iterator(path("cache"));
    return std::count_if(begin(files), end(files), [](const auto& file) {
      return file.path().filename().string().starts_with("sensitivity-");
    });
  };
  ASSERT_EQ(scores(), 1);
  for (const std::vector<std::string>& wish : std::vector<std::vector<std::string>>{
           {"--pin", "conv2=bf16"}, {"--forbid", "fp8"}, {"--fp8-edges"}}) {
    std::vector<std::string> words{"net.onnx", "--budget", "95%", "--batch", "8", "--dry-run"};
    words.insert(words.end(), wish.begin(), wish.end());
    const Outcome outcome = run(words, true);
    EXPECT_EQ(outcome.status, 0) << wish[0] << '\n' << outcome.err;
    EXPECT_EQ(scores(), 1) << wish[0];
  }
}

TEST_F(ProfileCacheOfThePlan, APinnedLayerHasTheScoreOfItsPrecision) {
  const Outcome outcome = run({"net.onnx", "--budget", "100%", "--batch", "8", "--dry-run",
                               "--json", "--pin", "conv2=bf16"},
                              true);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const json& layer : json::parse(outcome.out)["layers"]) {
    if (layer["name"] != "conv2") continue;
    EXPECT_EQ(layer["precision"], "BF16");
    EXPECT_GT(layer["sensitivity"], 0) << layer;
  }
}

}  // namespace
}  // namespace mpsearch::test
