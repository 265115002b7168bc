#include "runtime/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <random>

#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() {
    data_.tool_version = "0.1.0";
    data_.model = {"m.onnx", std::string(64, 'a')};
    data_.plan_json = "{\"a\": 1}";
    data_.tensors = {
        {"conv1.weight", DType::F32, {2, 3}, std::as_bytes(std::span(weights_))},
        {"conv1.weight.m", DType::F32, {}, std::as_bytes(std::span(weights_).first(1))},
        {"mask", DType::BIT, {11}, std::as_bytes(std::span(mask_))},
        {"empty", DType::I64, {0, 4}, {}}};
    data_.scalars = {{"loss_scale", 65536.0}, {"tiny", 5e-324}};
    data_.counters = {{"attempt", 18446744073709551615U}};
    data_.metrics = {{10, 1, "accuracy", 0.5, 1.25}};
  }
  std::string read_error(const std::string& content) {
    const std::string path = folder_.write("damaged", content);
    return error_of([&] { read_checkpoint(path); }, folder_.path().string());
  }
  std::string written() {
    write_checkpoint(folder_.path("whole"), data_);
    return content_of(folder_.path("whole"));
  }

  const std::vector<float> weights_{1.5F, -0.0F, 1e-45F, 3e38F, 5, 6};
  const std::vector<std::uint8_t> mask_{0xFF, 0x05};
  CheckpointData data_;
  TemporaryFolder folder_;
};

TEST_F(CheckpointTest, EverythingReadsBackBitForBit) {
  const std::string path = folder_.path("c");
  write_checkpoint(path, data_);
  const CheckpointData read = read_checkpoint(path);
  EXPECT_EQ(read.tool_version, data_.tool_version);
  EXPECT_EQ(read.model, data_.model);
  EXPECT_EQ(read.plan_json, data_.plan_json);
  EXPECT_EQ(read.scalars, data_.scalars);
  EXPECT_EQ(read.counters, data_.counters);
  EXPECT_EQ(read.metrics, data_.metrics);
  ASSERT_EQ(read.tensors.size(), data_.tensors.size());
  for (const CheckpointTensor& tensor : data_.tensors) {
    const CheckpointTensor& same = read.tensor(tensor.name);
    EXPECT_EQ(same.dtype, tensor.dtype);
    EXPECT_EQ(same.shape, tensor.shape);
    EXPECT_TRUE(std::ranges::equal(same.bytes, tensor.bytes)) << tensor.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(same.bytes.data()) % 64, 0U);
  }
  EXPECT_EQ(read.counter("attempt"), 18446744073709551615U);
  EXPECT_EQ(read.scalar("loss_scale"), 65536.0);
  EXPECT_EQ(error_of([&] { read.tensor("conv9"); }, "\n\n"),
            "3: the checkpoint does not hold conv9\n"
            "  try: resume from a checkpoint of this model");
}

TEST_F(CheckpointTest, EqualDataGiveEqualBytes) { EXPECT_EQ(written(), written()); }

TEST_F(CheckpointTest, EveryFlippedBitIsFound) {
  const std::string whole = written();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] ^= static_cast<char>(1 << (at % 8));
    EXPECT_EQ(read_error(damaged).substr(0, 2), "3:") << "byte " << at;
  }
}

TEST_F(CheckpointTest, EveryTruncationAndEveryExcessIsFound) {
  const std::string whole = written();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(read_error(whole.substr(0, size)).substr(0, 2), "3:") << "size " << size;
  }
  EXPECT_EQ(read_error(whole + whole.substr(64)).substr(0, 2), "3:");
}

TEST_F(CheckpointTest, DamageNamesTheRecord) {
  const std::string whole = written();
  std::string damaged = whole;
  damaged[damaged.find(std::string(reinterpret_cast<const char*>(mask_.data()), 2))] ^= 1;
  EXPECT_EQ(read_error(damaged),
            "3: the checkpoint is damaged\n"
            "  at: FOLDER/damaged, record mask\n"
            "  why: its checksum differs\n"
            "  try: resume from another checkpoint");
  EXPECT_EQ(read_error(whole.substr(0, whole.size() - 64 - 30)),
            "3: the checkpoint is damaged\n"
            "  at: FOLDER/damaged, record mask\n"
            "  why: 62 more bytes are needed, the file has 32\n"
            "  try: resume from another checkpoint");
  EXPECT_EQ(read_error("hello"),
            "3: not a checkpoint of mpsearch\n"
            "  at: FOLDER/damaged\n"
            "  why: it does not start with \"mpsearch ckpt\"");
}

TEST_F(CheckpointTest, AFailedWriteKeepsTheOldFile) {
  const std::string path = folder_.path("c");
  write_checkpoint(path, data_);
  const std::string before = content_of(path);
  const std::vector<float> large(100000, 1.F);
  data_.tensors.push_back({"large", DType::F32, {100000}, std::as_bytes(std::span(large))});
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old = {};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{8192, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string error =
      error_of([&] { write_checkpoint(path, data_); }, folder_.path().string());
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(error,
            "7: the checkpoint cannot be saved\n"
            "  at: FOLDER/c\n"
            "  why: File too large\n"
            "  try: the old file is intact: free space or choose another place, then repeat");
  EXPECT_EQ(content_of(path), before);
}

TEST_F(CheckpointTest, AFullDiskSaysWhatIsNeeded) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const std::string size = std::to_string(written().size());
  const std::string error = error_of([&] { write_checkpoint("/dev/full", data_); }, "\n\n");
  EXPECT_TRUE(
      error.starts_with("7: the checkpoint cannot be saved\n"
                        "  at: /dev/full\n"
                        "  why: No space left on device: needs " +
                        size + " bytes, "))
      << error;
}

}  // namespace
}  // namespace mpsearch
