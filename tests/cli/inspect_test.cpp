// inspect on the zoo's networks, on Debian's conformance set, and on files that are no models.
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/onnx/builder.h"
#include "tests/cli/json_schema.h"
#include "tests/cli/run_command.h"

namespace mpsearch {
namespace {

using nlohmann::json;
using test::Outcome;
using test::run_command;
using test::TemporaryFolder;

TEST(Inspect, HasTheStableKeysForEveryNetworkOfTheZoo) {
  const TemporaryFolder folder;
  for (const char* name : {"mlp", "lenet", "vgg", "resnet18"}) {
    std::vector<std::string> zoo{"zoo", name, "-o", "net.onnx"};
    if (std::string(name) != "mlp") zoo.insert(zoo.end(), {"--width", "0.25"});
    ASSERT_EQ(run_command(folder, zoo).status, 0);
    const Outcome outcome = run_command(folder, {"inspect", "net.onnx", "--json"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const json answer = json::parse(outcome.out);
    EXPECT_EQ(test::departure_from_schema(outcome.out, "inspect"), "");
    EXPECT_TRUE(answer["supported"]);
    EXPECT_TRUE(answer["unsupported"].empty());
    std::int64_t parameters = 0;
    for (const json& layer : answer["layers"])
      parameters += layer["parameters"].get<std::int64_t>();
    EXPECT_EQ(parameters, answer["trainable_parameters"]) << name;
    EXPECT_NE(run_command(folder, {"inspect", "net.onnx"}).out.find("nodes are supported"),
              std::string::npos);
  }
}

TEST(Inspect, CountsLeNetAsOneCountsByHand) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder, {"zoo", "lenet"}).status, 0);
  const json answer = json::parse(run_command(folder, {"inspect", "lenet.onnx", "--json"}).out);
  // 6 x 25 + 6, 16 x 6 x 25 + 16, 400 x 120 + 120, 120 x 84 + 84, 84 x 10 + 10.
  EXPECT_EQ(answer["trainable_parameters"], 156 + 2416 + 48120 + 10164 + 850);
  EXPECT_EQ(answer["layers"].size(), 5U);
}

TEST(Inspect, ListsEveryOperatorThatCannotBeTrained) {
  const TemporaryFolder folder;
  OnnxBuilder builder("odd");
  const std::string x = builder.input("x", {std::string("N"), 4});
  const std::string a = builder.node("first", "Det", {builder.node("r", "Relu", {x})});
  builder.node("second", "Det", {a});
  folder.write("odd.onnx", builder.bytes());
  const Outcome outcome = run_command(folder, {"inspect", "odd.onnx", "--json"});
  if (outcome.status == 0) {
    const json answer = json::parse(outcome.out);
    EXPECT_FALSE(answer["supported"]);
    EXPECT_EQ(answer["unsupported"][0]["op"], "Det");
    EXPECT_EQ(answer["unsupported"][0]["first_node"], "first");
  } else {
    EXPECT_EQ(outcome.status, 65);  // Det wants square matrices: the file contradicts itself
  }
}

TEST(Inspect, RefusesWhatIsNoModelWithTheExitCodeOfTheReason) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_command(folder, {"inspect", "none.onnx"}).status, 66);
  folder.write("text.onnx", "this is no model");
  EXPECT_EQ(run_command(folder, {"inspect", "text.onnx"}).status, 65);
  folder.write("pointer.onnx",
               "version https://git-lfs.github.com/spec/v1\n"
               "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
               "size 12345\n");
  const Outcome pointer = run_command(folder, {"inspect", "pointer.onnx"});
  EXPECT_EQ(pointer.status, 65);
  EXPECT_NE(pointer.err.find("git lfs pull"), std::string::npos) << pointer.err;
  ASSERT_EQ(run_command(folder, {"zoo", "lenet"}).status, 0);
  const std::string whole = test::read_text(folder.path("lenet.onnx"));
  folder.write("half.onnx", whole.substr(0, whole.size() / 2));
  const Outcome half = run_command(folder, {"inspect", "half.onnx"});
  EXPECT_EQ(half.status, 65);
  EXPECT_NE(half.err.find("not a complete ONNX file"), std::string::npos) << half.err;
}

TEST(Inspect, APatternThatMatchesNothingIsAUsageError) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_command(folder, {"zoo", "lenet"}).status, 0);
  const Outcome outcome = run_command(folder, {"inspect", "lenet.onnx", "--freeze", "conf1*"});
  EXPECT_EQ(outcome.status, 64) << outcome.err;
  EXPECT_EQ(run_command(folder, {"inspect", "lenet.onnx", "--input", "x"}).status, 64);
}

}  // namespace
}  // namespace mpsearch
