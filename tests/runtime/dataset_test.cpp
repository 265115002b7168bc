#include "runtime/dataset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/error.h"
#include "tests/runtime/dataset_files.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

const std::string kNumpy = MPSEARCH_SOURCE_DIR "/tests/runtime/numpy/";

class DatasetTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  const std::string images_ = idx(8, {2, 2, 2}, std::string("\x00\x33\xFF\x01\x02\x03\x04\x05", 8));
  const std::string labels_ = idx(8, {2}, std::string("\x07\x01", 2));
};

TEST_F(DatasetTest, AFolderOfIdxFilesGivesTrainAndEvaluateSplits) {
  folder_.write("train-images-idx3-ubyte", images_);
  folder_.write("train-labels-idx1-ubyte.gz", gzip(labels_));
  folder_.write("t10k-images.idx3-ubyte.gz", gzip(images_));
  folder_.write("t10k-labels-idx1-ubyte", labels_);
  const DataSplits data = open_data(folder_.path().string(), wants({1, 2, 2}));
  EXPECT_EQ(data.train.inputs[0].sample_shape(), (Shape{1, 2, 2}));
  EXPECT_EQ(data.train.samples(), 2);
  EXPECT_EQ(values_of<float>(data.train.inputs[0], {1, 0}),
            (std::vector<float>{2 / 255.F, 3 / 255.F, 4 / 255.F, 5 / 255.F, 0, 51 / 255.F, 1,
                                1 / 255.F}));
  EXPECT_EQ(values_of<std::int64_t>(data.train.targets[0], {0, 1}),
            (std::vector<std::int64_t>{7, 1}));
  ASSERT_TRUE(data.evaluate);
  EXPECT_EQ(data.evaluate->content_hash(),
            open_data(folder_.path().string(), wants({1, 2, 2})).train.content_hash());
}

TEST_F(DatasetTest, ALargePackedFileIsUnpackedWhenItIsLookedAt) {
  std::string pixels(300 * 400, '\0');
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<char>(i * i % 251);
  const std::string labels = folder_.write("y", idx(8, {300}, std::string(300, '\1')));
  const std::string content = idx(8, {300, 20, 20}, pixels);
  const auto open = [&](const std::string& bytes) {
    return open_data(folder_.write("x", bytes) + "," + labels, wants({20, 20})).train;
  };
  std::string damaged = gzip(content);
  const Dataset packed = open(damaged);
  EXPECT_EQ(packed.content_hash(), open(damaged).content_hash());
  const Dataset plain = open(content);
  EXPECT_EQ(values_of<float>(open(damaged).inputs[0], {0, 7, 299}),
            values_of<float>(plain.inputs[0], {0, 7, 299}));
  damaged[damaged.size() / 2] ^= 0x10;
  const Dataset broken = open(damaged);
  EXPECT_NE(broken.content_hash(), packed.content_hash());
  EXPECT_THROW(values_of<float>(broken.inputs[0], {0}), Error);
}

TEST_F(DatasetTest, FashionMnistAsInstalledByItsPackage) {
  const std::string path = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not installed";
  const DataSplits data = open_data(path, wants({784}));
  EXPECT_EQ(data.train.samples(), 60000);
  ASSERT_TRUE(data.evaluate);
  EXPECT_EQ(data.evaluate->samples(), 10000);
  data.train.targets[0].require_below(10, "ten kinds of clothes");
  std::vector<std::int64_t> counts(10, 0), all(60000);
  std::iota(all.begin(), all.end(), 0);
  for (const std::int64_t label : values_of<std::int64_t>(data.train.targets[0], all)) {
    ++counts[static_cast<std::size_t>(label)];
  }
  EXPECT_EQ(counts, std::vector<std::int64_t>(10, 6000));  // the set is balanced
  double sum = 0.0;                                        // the set's well-known mean is 0.2860
  for (const float value : values_of<float>(data.train.inputs[0], all)) sum += value;
  EXPECT_NEAR(sum / (60000.0 * 784.0), 0.2860, 5e-5);
}

TEST_F(DatasetTest, MeanAndStdApplyPerChannelAfterDivision) {
  const std::string x = folder_.write("x", idx(8, {1, 2, 1, 2}, "\x33\x66\x33\x66"));
  const std::string y = folder_.write("y", idx(8, {1}, std::string(1, '\0')));
  DataRequest request = wants({2, 1, 2});
  request.mean = {0.2F, 0.4F};
  request.std = {0.5F, 0.25F};
  const Dataset data = open_data(x + "," + y, request).train;
  const float a = 51.F / 255.F, b = 102.F / 255.F;
  EXPECT_EQ(values_of<float>(data.inputs[0], {0}),
            (std::vector<float>{(a - 0.2F) / 0.5F, (b - 0.2F) / 0.5F, (a - 0.4F) / 0.25F,
                                (b - 0.4F) / 0.25F}));
  EXPECT_EQ(data.inputs[0].normalization(), (Normalization{true, {0.2F, 0.4F}, {0.5F, 0.25F}}));
}

TEST_F(DatasetTest, MeanAndStdApplyPerChannelToFloatsWithoutDivision) {
  const std::string x = folder_.write("x.npy", npy_floats("(1, 2, 2)", {1, 2, 3, 4}));
  const std::string y = folder_.write("y.npy", npy_labels({0}));
  DataRequest request = wants({2, 2});
  request.mean = {1, 2};
  request.std = {2, 4};
  const Dataset data = open_data(x + "," + y, request).train;
  EXPECT_EQ(values_of<float>(data.inputs[0], {0}), (std::vector<float>{0, 0.5F, 0.25F, 0.5F}));
}

TEST_F(DatasetTest, EveryNumpyTypeReadsAsNumpyWroteIt) {
  const std::string y = folder_.write("y.npy", npy_labels({0, 0, 0, 0}));
  const std::vector<std::int64_t> all{0, 1, 2, 3};
  std::vector<float> floats(24);
  std::vector<std::int64_t> counts(24), shifted(24), odd(24);
  for (std::int64_t i = 0; i < 24; ++i) {
    const auto at = static_cast<std::size_t>(i);
    floats[at] = static_cast<float>(i) / 8.F - 1.F;
    counts[at] = i;
    shifted[at] = i - 12;
    odd[at] = i % 2;
  }
  for (const char* name : {"f2", "f4", "f8_big", "f4_columns"}) {
    const Dataset data = open_data(kNumpy + name + ".npy," + y, wants({2, 3})).train;
    EXPECT_EQ(values_of<float>(data.inputs[0], all), floats) << name;
  }
  const auto integers = [&](const std::string& name) {
    const Dataset data = open_data(kNumpy + name + ".npy," + y, wants({2, 3}, DType::I64)).train;
    const auto narrow = values_of<std::int32_t>(data.inputs[0], all);
    const auto wide = values_of<std::int64_t>(data.inputs[0], all);
    EXPECT_TRUE(std::equal(narrow.begin(), narrow.end(), wide.begin(), wide.end()));
    return wide;
  };
  EXPECT_EQ(integers("u1"), counts);
  EXPECT_EQ(integers("u4"), counts);
  EXPECT_EQ(integers("i2_big"), shifted);
  EXPECT_EQ(integers("i8"), shifted);
  EXPECT_EQ(integers("bool"), odd);
}

TEST_F(DatasetTest, NpzMembersAreMatchedByName) {
  DataRequest request;
  request.inputs = {{"b", DType::I64, {6}}, {"a", DType::F32, {-1, 3}}};
  request.targets = {{"target", DType::I64, {}}};
  for (const char* name : {"stored.npz", "packed.npz"}) {
    const Dataset data = open_data(kNumpy + name, request).train;
    EXPECT_EQ(values_of<std::int64_t>(data.inputs[0], {3}),
              (std::vector<std::int64_t>{18, 19, 20, 21, 22, 23}));
    EXPECT_EQ(values_of<float>(data.inputs[1], {0}),
              (std::vector<float>{-1.F, -0.875F, -0.75F, -0.625F, -0.5F, -0.375F}));
    EXPECT_EQ(values_of<std::int64_t>(data.targets[0], {0, 1, 2, 3}),
              (std::vector<std::int64_t>{3, 1, 0, 2}));
  }
}

TEST_F(DatasetTest, CifarRecordsAreSplitIntoLabelAndImage) {
  const auto record = [](char label, char pixel) {
    return std::string(1, label) + std::string(3072, pixel);
  };
  folder_.write("data_batch_1.bin", record(3, '\x33') + record(9, '\x66'));
  folder_.write("data_batch_2.bin", record(1, '\xFF'));
  folder_.write("test_batch.bin", record(4, '\0'));
  const DataSplits data = open_data(folder_.path().string(), wants({3, 32, 32}));
  EXPECT_EQ(values_of<std::int64_t>(data.train.targets[0], {0, 1, 2}),
            (std::vector<std::int64_t>{3, 9, 1}));
  EXPECT_EQ(values_of<float>(data.train.inputs[0], {2}), std::vector<float>(3072, 1.F));
  ASSERT_TRUE(data.evaluate);
  EXPECT_EQ(data.evaluate->samples(), 1);
}

TEST_F(DatasetTest, SyntheticValuesAreNormalAndInRangeAndRepeat) {
  DataRequest request = wants({3, 50});
  request.inputs.push_back({"ids", DType::I64, {7}, 11});
  request.targets = {{"target", DType::I64, {}, 10}};
  request.synthetic_samples = 400;
  const Dataset data = open_data("synthetic", request).train;
  std::vector<std::int64_t> all(400);
  std::iota(all.begin(), all.end(), 0);
  const auto floats = values_of<float>(data.inputs[0], all);
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  for (const double x : floats) {
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  const auto n = static_cast<double>(floats.size());
  EXPECT_NEAR(sum / n, 0.0, 4.0 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 4.0 * std::sqrt(2.0 / n));
  EXPECT_NEAR(fourth / n, 3.0, 0.1 + 4.0 * std::sqrt(96.0 / n));
  std::vector<int> labels(10, 0), ids(11, 0);
  for (const auto x : values_of<std::int64_t>(data.targets[0], all))
    ++labels.at(static_cast<std::size_t>(x));
  for (const auto x : values_of<std::int64_t>(data.inputs[1], all))
    ++ids.at(static_cast<std::size_t>(x));
  for (const int count : labels) EXPECT_NEAR(count, 40, 30);
  for (const int count : ids) EXPECT_NEAR(count, 2800 / 11, 90);
  EXPECT_EQ(floats, values_of<float>(open_data("synthetic", request).train.inputs[0], all));
  const std::string hash = data.content_hash();
  request.seed = 1;
  EXPECT_NE(hash, open_data("synthetic", request).train.content_hash());
}

/// Whichever of 0 and 1 a mask means to keep, no row is without any.
TEST_F(DatasetTest, SyntheticIntegersThatIndexNothingAreBothZeroAndOneInEveryRow) {
  DataRequest request = wants({3});
  request.inputs.push_back({"mask", DType::I64, {4}, 0});
  const Dataset data = open_data("synthetic", request).train;
  EXPECT_EQ(values_of<std::int64_t>(data.inputs[1], {0, 1}),
            (std::vector<std::int64_t>{0, 1, 0, 1, 1, 0, 1, 0}));
}

TEST_F(DatasetTest, TheContentHashSeesOneChangedValue) {
  const std::string x = folder_.write("x.npy", npy_floats("(2, 2)", {1, 2, 3, 4}));
  const std::string y = folder_.write("y.npy", npy_labels({0, 1}));
  const std::string before = open_data(x + "," + y, wants({2})).train.content_hash();
  folder_.write("x.npy", npy_floats("(2, 2)", {1, 2, 3, 5}));
  EXPECT_NE(before, open_data(x + "," + y, wants({2})).train.content_hash());
}

}  // namespace
}  // namespace mpsearch
