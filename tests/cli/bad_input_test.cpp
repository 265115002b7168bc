// What a user gets wrong: paths, values, plans, data, checkpoints. Status and text, word for word
// where the text is short; that nothing is written; that nothing is silently taken for something
// else.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/onnx/builder.h"
#include "tests/cli/run_command.h"
#include "tests/runtime/dataset_files.h"

namespace mpsearch {
namespace {

using namespace nlohmann::literals;
using nlohmann::json;
using test::Outcome;
using test::run_command;
using test::TemporaryFolder;

/// A small network, FP32 steps of milliseconds.
class BadInput : public testing::Test {
 protected:
  BadInput() {
    EXPECT_EQ(run({"zoo", "mlp", "--inputs", "4", "--hidden", "8", "--classes", "3", "-o",
                   "net.onnx", "--json"})
                  .status,
              0);
  }

  Outcome run(const std::vector<std::string>& words,
              std::vector<std::string> environment = {}) const {
    environment.insert(environment.end(),
                       {"MPSEARCH_PROFILE_CACHE=cache", "OMP_NUM_THREADS=1", "MPSEARCH_THREADS=1"});
    return run_command(folder_, words, environment);
  }
  /// `train` of two steps at batch 4, with more words.
  Outcome train(std::vector<std::string> more) const {
    more.insert(more.begin(), {"train", "net.onnx", "--batch", "4", "-q"});
    return run(more);
  }
  void expect(const Outcome& outcome, int status, const std::string& err) const {
    EXPECT_EQ(outcome.status, status);
    EXPECT_EQ(outcome.err, err);
    EXPECT_EQ(outcome.out, "");
  }
  std::string output() const {
    return json::parse(run({"inspect", "net.onnx", "--json"}).out)["outputs"][0]["name"];
  }
  std::string path(const std::string& name) const { return folder_.path(name); }
  bool exists(const std::string& name) const { return std::filesystem::exists(path(name)); }
  /// Inputs of six samples, and the targets given, as x.npy and y.npy.
  std::string data(const std::string& targets) const {
    folder_.write("x.npy", npy_floats("(6, 4)", std::vector<float>(24, 0.5F)));
    folder_.write("y.npy", targets);
    return "x.npy,y.npy";
  }

  TemporaryFolder folder_;
};

TEST_F(BadInput, AnOutputThatCannotBeWrittenIsFoundBeforeTheWork) {
  expect(train({"-o", "none/trained.onnx"}), 73,
         "error: --output cannot be created\n"
         "  at: none/trained.onnx\n"
         "  why: folder none: No such file or directory\n"
         "  try: mkdir -p none\n");
  expect(train({"-o", "."}), 73,
         "error: --output cannot be created\n"
         "  at: .\n"
         "  why: it is a folder\n"
         "  try: --output ./NAME\n");
  expect(train({"--checkpoint", "net.onnx"}), 73,
         "error: --checkpoint cannot be created\n"
         "  at: net.onnx\n"
         "  why: " +
             path("net.onnx") +
             " is not a folder\n"
             "  try: another place\n");
  expect(run({"zoo", "mlp", "-o", ""}), 64,
         "error: --output: bad value ''\n"
         "  why: it must name a file or folder\n"
         "  try: --output FILE\n");
  EXPECT_EQ(run({"net.onnx", "--report", "none/report.html"}).status, 73);
  EXPECT_EQ(run({"pareto", "net.onnx", "-o", "net.onnx"}).status, 73);
  std::filesystem::create_directory(path("plan.json"));
  expect(run({"net.onnx"}), 73,
         "error: the output cannot be created\n"
         "  at: plan.json\n"
         "  why: it is a folder\n"
         "  try: the output plan.json/NAME\n");
}

TEST_F(BadInput, NoCommandWritesOverWhatItReads) {
  const std::string before = test::read_text(path("net.onnx"));
  expect(train({"-o", "./net.onnx"}), 64,
         "error: --output would replace the input\n"
         "  at: ./net.onnx\n"
         "  why: the command reads it too\n"
         "  try: another name for --output\n");
  EXPECT_EQ(run({"net.onnx", "-o", "net.onnx"}).status, 64);
  std::filesystem::create_symlink("net.onnx", path("link.onnx"));
  EXPECT_EQ(run({"net.onnx", "--dump-lp", "link.onnx"}).status, 64);
  const std::string files = data(npy_labels({0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(train({"--data", files, "--run-log", "y.npy"}).status, 64);
  expect(run({"net.onnx", "-o", "one", "--report", "one"}), 64,
         "error: --output would replace --report\n"
         "  at: one\n"
         "  why: the command writes it too\n"
         "  try: another name for --output\n");
  EXPECT_EQ(test::read_text(path("net.onnx")), before);
}

TEST_F(BadInput, AFullDiskIsAnErrorAndNoCrash) {
  const Outcome zoo = run({"zoo", "mlp", "-o", "/dev/full"});
  EXPECT_EQ(zoo.status, 74);
  EXPECT_EQ(zoo.err.substr(0, 81),
            "error: the model cannot be saved\n"
            "  at: /dev/full\n"
            "  why: No space left on device: ");
  EXPECT_EQ(train({"--steps", "1", "-o", "/dev/full"}).status, 74);
  EXPECT_EQ(train({"--steps", "1", "-o", "a.onnx", "--run-log", "/dev/full"}).status, 74);
  EXPECT_FALSE(exists("a.onnx"));
  const Outcome log = train({"--steps", "1", "-o", "a.onnx", "--log-file", "/dev/full"});
  EXPECT_EQ(log.status, 0);
  EXPECT_NE(log.err.find("warning: the log file /dev/full is incomplete"), std::string::npos)
      << log.err;
}

TEST_F(BadInput, AClosedStandardStreamIsNoOutputFile) {
  const std::string command = "cd " + folder_.folder() + " && " + MPSEARCH_EXECUTABLE +
                              " zoo mlp --hidden 8 -o streams.onnx 2>&- >/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(run({"inspect", "streams.onnx"}).status, 0);
}

TEST_F(BadInput, FoldersAndMissingFilesAreNamed) {
  expect(run({"inspect", "."}), 65,
         "error: '.' is not a file\n"
         "  at: .\n"
         "  why: it is a folder\n");
  expect(run({"inspect", "nett.onnx"}), 66,
         "error: cannot open 'nett.onnx'\n"
         "  at: nett.onnx\n"
         "  why: No such file or directory\n"
         "  try: did you mean net.onnx?\n");
  EXPECT_EQ(run({"report", "."}).status, 65);
  EXPECT_EQ(run({"diff", "a.json", "b.json"}).status, 66);
  EXPECT_EQ(run({"solve", "."}).status, 65);
  expect(run({"bench", "net.onnx", "--config", "."}), 65,
         "error: not a regular file\n"
         "  at: .\n"
         "  why: it is a folder\n");
  EXPECT_EQ(run({"bench", "net.onnx", "--config", "none.toml"}).status, 66);
  EXPECT_EQ(train({"--data", "net.onnxx"}).status, 66);
}

TEST_F(BadInput, NumbersOutOfRangeAndOptionsThatWouldBeIgnoredAreUsageErrors) {
  const std::vector<std::vector<std::string>> refused{
      {"--threads", "100000"},
      {"--beta1", "1"},
      {"--beta2", "1.5"},
      {"--lr", "1e39"},
      {"--loss-scale", "0"},
      {"--loss-scale", "1e40"},
      {"--epochs", "99999999"},
      {"--steps", "99999999999999"},
      {"--batch", "0"},
      {"--batch", "999999999"},
      {"--nesterov"},
      {"--dampening", "0.1"},
      {"--optimizer", "sgd", "--nesterov"},
      {"--optimizer", "sgd", "--beta1", "0.5"},
      {"--checkpoint-every", "2"},
      {"--batch", "auto"},
  };
  for (const std::vector<std::string>& words : refused) {
    const Outcome outcome = train(words);
    EXPECT_EQ(outcome.status, 64) << words.front() << outcome.err;
    EXPECT_NE(outcome.err.find("\n  try: --"), std::string::npos) << outcome.err;
  }
  expect(train({"--beta1", "1"}), 64,
         "error: --beta1: bad value '1'\n"
         "  why: it must be less than 1\n"
         "  try: --beta1 0.9\n");
  expect(train({"--plan", "none.json", "--pin", "a=fp32"}), 64,
         "error: --plan and --pin exclude each other\n"
         "  why: both say each layer's precision\n"
         "  try: --plan without --pin\n");
  EXPECT_EQ(train({"--plan", "none.json", "--precision", "bf16"}).status, 64);
  EXPECT_EQ(train({"--budget", "90%", "--precision", "bf16"}).status, 64);
  EXPECT_EQ(run({"zoo", "lenet", "--width", "0"}).status, 64);
  expect(run({"devices", "-q"}, {"MPSEARCH_JSON=yes"}), 64,
         "error: MPSEARCH_JSON: bad value 'yes'\n"
         "  why: a switch is true or false\n"
         "  try: --json\n");
  EXPECT_EQ(run({"devices"}, {"MPSEARCH_DEVISE=cpu"}).err,
            "warning: MPSEARCH_DEVISE is the variable of no option; there is MPSEARCH_DEVICE\n");
}

TEST_F(BadInput, EveryNumberOfDevicesIsAskedForByNameAndRefusedAlike) {
  const Outcome outcome = train({"--device", "cuda:1"});
  EXPECT_EQ(outcome.status, 69);
  EXPECT_NE(outcome.err.find("error: device cuda:1 is not available\n"), std::string::npos);
  EXPECT_NE(outcome.err.find("libcuda.so.1"), std::string::npos);
}

TEST_F(BadInput, TargetsOfAnotherShapeOrRangeAreRefused) {
  const std::string floats = data(npy_floats("(6,)", {0, 1, 2, 3, 4, 5}));
  expect(train({"--data", floats}), 65,
         "error: the data do not fit the loss mse of output '" + output() +
             "'\n"
             "  at: y.npy\n"
             "  why: got [] a sample, expected [3]\n"
             "  try: mpsearch inspect shows the shapes of the model\n");
  const std::string labels = data(npy_labels({0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(train({"--data", labels, "--loss", "mse"}).status, 65);
  EXPECT_EQ(train({"--data", labels, "--loss", "bce"}).status, 65);
  const std::string wide = data(npy_floats(
      "(6, 3)", std::vector<float>{0, 1, 2, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0}));
  EXPECT_EQ(train({"--data", wide, "--loss", "mse", "--steps", "1"}).status, 0);
  expect(train({"--data", wide, "--loss", "bce"}), 65,
         "error: value 2 is out of range 0..1\n"
         "  at: y.npy, record 0, element 2\n"
         "  why: the loss bce of output '" +
             output() + "' takes probabilities\n");
  EXPECT_EQ(train({"--data", wide, "--loss", "cross-entropy"}).status, 65);
  const std::string ignored = data(npy_labels({0, -100, 2, 0, 1, -100}));
  EXPECT_EQ(train({"--data", ignored, "--steps", "2"}).status, 0);
  const std::string high = data(npy_labels({0, 1, 2, 0, 3, 2}));
  expect(train({"--data", high}), 65,
         "error: value 3 is out of range 0..2\n"
         "  at: y.npy, record 4\n"
         "  why: the model has 3 classes (output '" +
             output() +
             "')\n"
             "  try: integers from 0 to 2; -100 marks a target to leave out\n");
}

/// y = Relu(w), as ONNX's own library writes it.
TEST_F(BadInput, AModelThatTakesNoDataIsRefusedWhereItWouldTrain) {
  using namespace std::string_literals;
  folder_.write(
      "constant.onnx",
      "\x08\x08:>\n\x0f\n\x01w\x12\x01y\x1a\x01r\"\x04Relu\x12\x01g*\x13\x08\x01\x08\x02\x10\x01"
      "B\x01wJ\x08\0\0\x80?\0\0\x80?b\x13\n\x01y\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x01\n"
      "\x02\x08\x02"
      "B\x04\n\0\x10\x11"s);
  for (const std::string verb : {"plan", "bench", "train", "profile"}) {
    expect(run({verb, "constant.onnx", "-q"}), 65,
           "error: the model has no input\n"
           "  at: constant.onnx\n"
           "  why: training gives data to its inputs and a loss to its outputs\n"
           "  try: export it with the input among its graph's inputs\n");
  }
  EXPECT_EQ(run({"inspect", "constant.onnx", "-q"}).status, 0);
}

/// Their samples would be written past the end of the tensor.
TEST_F(BadInput, InputsAndOutputsThatDoNotBeginWithTheBatchAreRefused) {
  const std::vector<float> weights{1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto expect_refused = [&](OnnxBuilder& builder, const std::string& what) {
    builder.write(folder_.path("net.onnx"));
    for (const std::string verb : {"bench", "train"}) {
      expect(run({verb, "net.onnx", "-q"}), 65,
             "error: " + what + " does not begin with the batch\n" +
                 "  at: net.onnx\n"
                 "  why: a step takes 4 samples along the first dimension of every input and of "
                 "every output with a loss\n"
                 "  try: export the model with the batch first, and with constants in place of "
                 "inputs that are no data\n");
    }
  };
  OnnxBuilder state("state");
  state.input("x", {4, 3});
  state.input("state", {2, 4, 3});
  state.initializer("w", {3, 3}, weights);
  state.node("fc", "MatMul", {"x", "w"});
  state.output(state.node("sum", "Add", {"fc", "state"}), {2, 4, 3});
  expect_refused(state, "input 'state' of shape [2, 4, 3]");
  EXPECT_NE(run({"inspect", "net.onnx", "-q"})
                .out.find("note: it cannot be trained at this size: input 'state' of shape "
                          "[2, 4, 3] does not begin with the batch"),
            std::string::npos);
  OnnxBuilder turned("turned");
  turned.input("x", {4, 3});
  turned.initializer("w", {3, 3}, weights);
  turned.node("fc", "MatMul", {"x", "w"});
  turned.output(turned.node("turned", "Transpose", {"fc"}), {3, 4});
  expect_refused(turned, "output 'turned' of shape [3, 4]");
}

TEST_F(BadInput, OneClassIsNoClassification) {
  ASSERT_EQ(run({"zoo", "mlp", "--inputs", "4", "--hidden", "8", "--classes", "1", "-o", "net.onnx",
                 "--json"})
                .status,
            0);
  const std::string labels = data(npy_labels({0, 1, 1, 0, 1, 0}));
  const Outcome outcome = train({"--data", labels});
  EXPECT_EQ(outcome.status, 65);
  EXPECT_NE(outcome.err.find("  try: --loss bce for labels 0 and 1"), std::string::npos);
  EXPECT_EQ(train({"--data", labels, "--loss", "bce", "--steps", "1"}).status, 0);
}

TEST_F(BadInput, APlanEditedToWhatNobodyKnowsIsRefused) {
  ASSERT_EQ(run({"net.onnx", "--batch", "4", "--budget", "100%", "-q"},
                {"MPSEARCH_EFFORT=fast", "MPSEARCH_PAIRED_STEPS=0"})
                .status,
            0);
  const json plan = json::parse(test::read_text(path("plan.json")));
  const auto error_of = [&](const json::json_pointer& place, const json& value) {
    json edited = plan;
    edited[place] = value;
    std::ofstream(path("edited.json")) << edited.dump();
    const Outcome outcome = run({"train", "net.onnx", "--plan", "edited.json", "--steps", "1"});
    EXPECT_EQ(outcome.status, 65) << place.to_string() << outcome.err;
    return outcome.err;
  };
  EXPECT_EQ(error_of("/settings/optimizer/kind"_json_pointer, "adamm"),
            "error: an unknown name\n"
            "  at: edited.json\n"
            "  why: settings.optimizer.kind: expected one of sgd, adam, adamw, got \"adamm\"\n"
            "  try: did you mean adam or adamw?\n");
  error_of("/settings/running_variance"_json_pointer, "torch");
  error_of("/settings/loss"_json_pointer, "hinge");
  error_of("/settings/loss_scale"_json_pointer, "many");
  error_of("/settings/loss_scale"_json_pointer, "-1");
  error_of("/settings/effort"_json_pointer, "some");
  error_of("/settings/accumulation"_json_pointer, 0);
  error_of("/settings/optimizer/beta1"_json_pointer, 1);
  error_of("/settings/precisions"_json_pointer, json::array({"FP4"}));
  error_of("/device/threads"_json_pointer, 100000);
  error_of("/layers/0/name"_json_pointer, "elsewhere");
  error_of("/layers/0/precision"_json_pointer, "FP4");
  error_of("/schema_version/major"_json_pointer, 99);
  // A budget beside a plan is the run's limit.
  const Outcome tight = run({"train", "net.onnx", "--plan", "plan.json", "--budget", "1KiB"});
  EXPECT_EQ(tight.status, 1);
  EXPECT_EQ(tight.err.substr(tight.err.find("error:"), 39),
            "error: the run would exceed its budget\n");
  // A plan of another network says so, whatever else does not fit.
  ASSERT_EQ(run({"zoo", "lenet", "-o", "other.onnx"}).status, 0);
  const Outcome other = run({"train", "other.onnx", "--plan", "plan.json", "--steps", "1"});
  EXPECT_EQ(other.status, 65);
  EXPECT_EQ(other.err.substr(0, 36), "error: the plan is of another model\n");
  EXPECT_NE(other.err.find("the plan has 3 layers, the model 5"), std::string::npos);
}

TEST_F(BadInput, ACheckpointIsResumedByItsOwnRunOnly) {
  ASSERT_EQ(train({"--steps", "2", "--checkpoint", "kept", "-o", "a.onnx"}).status, 0);
  const auto resume = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"train", "net.onnx", "--data", "synthetic", "-q",  "--steps",
                                   "4",     "-o",       "b.onnx", "--resume",  "kept"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  expect(resume({"--batch", "8"}), 65,
         "error: the checkpoint is of another run\n"
         "  at: kept/checkpoint.mpsearch\n"
         "  why: batch: checkpoint 4, asked for 8\n"
         "  try: --batch 4\n");
  EXPECT_EQ(resume({"--batch", "4", "--seed", "3"}).status, 65);
  EXPECT_EQ(resume({"--batch", "4", "--optimizer", "adam"}).status, 65);
  EXPECT_EQ(resume({"--batch", "4", "--optimizer", "sgd"}).status, 65);
  EXPECT_EQ(resume({"--batch", "4", "--accumulate", "2"}).status, 65);
  EXPECT_FALSE(exists("b.onnx"));
  const Outcome done = resume({"--batch", "4", "--steps", "1"});
  EXPECT_EQ(done.status, 0);
  EXPECT_EQ(done.err, "warning: nothing is left to train: 2 steps are done, 1 were asked for\n");
  EXPECT_EQ(resume({"--batch", "4", "--precision", "bf16"}).status, 0);
  std::filesystem::resize_file(path("kept/checkpoint.mpsearch"), 1000);
  const Outcome cut = resume({"--batch", "4"});
  EXPECT_EQ(cut.status, 65);
  EXPECT_NE(cut.err.find("error: the checkpoint is damaged\n"), std::string::npos) << cut.err;
  expect(run({"train", "net.onnx", "--resume", "none"}), 66,
         "error: there is no checkpoint to resume from\n"
         "  at: none/checkpoint.mpsearch\n"
         "  why: --resume names a folder that --checkpoint wrote\n");
}

}  // namespace
}  // namespace mpsearch
