#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/runtime/dataset_files.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch {
namespace {

const std::string kNumpy = MPSEARCH_SOURCE_DIR "/tests/runtime/numpy/";

class DatasetErrorTest : public testing::Test {
 protected:
  std::string open(const std::string& spec, const DataRequest& request = wants({1, 2, 2})) {
    return error_of([&] { open_data(spec, request); }, folder_.path().string());
  }
  /// `content` as the inputs' file, beside a target of two labels.
  std::string open_inputs(const std::string& content, Shape shape = {1, 2, 2}) {
    const std::string x = folder_.write("x", content);
    const std::string y = folder_.write("y.npy", npy_labels({0, 1}));
    return open(x + "," + y, wants(std::move(shape)));
  }

  TemporaryFolder folder_;
};

TEST_F(DatasetErrorTest, AMissingPathNamesTheNearest) {
  std::filesystem::create_directory(folder_.path("fashion-mnist"));
  EXPECT_EQ(open(folder_.path("fashon-mnist")),
            "4: the data do not exist\n"
            "  at: FOLDER/fashon-mnist\n"
            "  why: FOLDER has no fashon-mnist\n"
            "  try: did you mean FOLDER/fashion-mnist?");
  EXPECT_EQ(open(folder_.path("fashon-mnist/train/")),
            "4: the data do not exist\n"
            "  at: FOLDER/fashon-mnist/train/\n"
            "  why: FOLDER has no fashon-mnist\n"
            "  try: did you mean FOLDER/fashion-mnist?");
  folder_.write("x.npy", npy_labels({1}));
  EXPECT_EQ(open(folder_.path("x.npy") + "," + folder_.path("yy.npy")),
            "4: the data do not exist\n"
            "  at: FOLDER/yy.npy\n"
            "  why: FOLDER has no yy.npy\n"
            "  try: did you mean FOLDER/x.npy?");
}

TEST_F(DatasetErrorTest, AnUnknownLayoutListsWhatIsAccepted) {
  const std::string accepted =
      "  try: accepted: a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte "
      "(t10k-... to evaluate; .gz or not), a folder with CIFAR's .bin files, FILE.npz, "
      "inputs.npy,target.npy, images-idx3-ubyte,labels-idx1-ubyte, synthetic";
  EXPECT_EQ(open(folder_.path().string()),
            "3: the layout of the data folder is not known\n"
            "  at: FOLDER\n"
            "  why: it is empty\n" +
                accepted);
  EXPECT_EQ(open(folder_.write("notes.txt", "hello")),
            "3: the layout of the data is not known\n"
            "  at: FOLDER/notes.txt\n"
            "  why: neither NPY, NPZ nor IDX\n" +
                accepted);
  folder_.write("train-images-idx3-ubyte", "");
  EXPECT_EQ(open(folder_.path().string()),
            "4: the folder has images without labels\n"
            "  at: FOLDER\n"
            "  why: found train-images-idx3-ubyte\n" +
                accepted);
}

TEST_F(DatasetErrorTest, InputsWithoutATarget) {
  EXPECT_EQ(open(folder_.write("x.npy", npy_labels({1}))),
            "2: --data names inputs without a target\n"
            "  at: FOLDER/x.npy\n"
            "  try: --data FOLDER/x.npy,TARGET");
}

TEST_F(DatasetErrorTest, ALabelOutOfRangeNamesFileRecordValueAndClasses) {
  const std::string y = folder_.write("y.npy", npy_labels({0, 1, 12}));
  const std::string x = folder_.write("x.npy", npy_floats("(3, 1)", {1, 2, 3}));
  const Dataset data = open_data(x + "," + y, wants({1})).train;
  EXPECT_EQ(error_of([&] { data.targets[0].require_below(10, "the model has 10 classes"); },
                     folder_.path().string()),
            "3: value 12 is out of range 0..9\n"
            "  at: FOLDER/y.npy, record 2\n"
            "  why: the model has 10 classes\n"
            "  try: integers from 0 to 9");
}

TEST_F(DatasetErrorTest, LabelsOfMinus100AreIgnoredUnlessAllAre) {
  const std::string x = folder_.write("x.npy", npy_floats("(3, 1)", {1, 2, 3}));
  const auto labels = [&](const std::vector<std::int64_t>& values) {
    return open_data(x + "," + folder_.write("y.npy", npy_labels(values)), wants({1})).train;
  };
  const Dataset some = labels({0, -100, 9});
  some.targets[0].require_labels_below(10, "the model has 10 classes");
  const Dataset none = labels({-100, -100, -100});
  EXPECT_EQ(error_of([&] { none.targets[0].require_labels_below(10, "the model has 10 classes"); },
                     folder_.path().string()),
            "3: every label is -100, which is ignored\n"
            "  at: FOLDER/y.npy\n"
            "  why: the model has 10 classes");
  const Dataset other = labels({0, -1, 9});
  EXPECT_EQ(error_of([&] { other.targets[0].require_labels_below(10, "the model has 10 classes"); },
                     folder_.path().string()),
            "3: value -1 is out of range 0..9\n"
            "  at: FOLDER/y.npy, record 1\n"
            "  why: the model has 10 classes\n"
            "  try: integers from 0 to 9; -100 marks a target to leave out");
}

TEST_F(DatasetErrorTest, ATokenOutOfItsTableIsFoundWhenOpened) {
  const std::string y = folder_.write("y.npy", npy_labels({0, 1}));
  DataRequest request = wants({}, DType::I64);
  request.inputs[0].integers_below = 1;
  EXPECT_EQ(open(y + "," + y, request),
            "3: value 1 is out of range 0..0\n"
            "  at: FOLDER/y.npy, record 1\n"
            "  why: the model's input x takes values below 1\n"
            "  try: integers from 0 to 0");
}

TEST_F(DatasetErrorTest, IdxFilesThatAreNotWhatTheyClaim) {
  EXPECT_EQ(open_inputs(idx(8, {2, 2, 2}, "1234567")),
            "3: the file is truncated\n"
            "  at: FOLDER/x\n"
            "  why: its header says [2, 2, 2] of 1 bytes each: 8 bytes; it holds 7\n"
            "  try: fetch or write the file again");
  EXPECT_EQ(open_inputs(idx(8, {2, 2, 2}, "123456789")),
            "3: the file is longer than it says\n"
            "  at: FOLDER/x\n"
            "  why: its header says [2, 2, 2] of 1 bytes each: 8 bytes; it holds more\n"
            "  try: fetch or write the file again");
  EXPECT_EQ(open_inputs(idx(9 + 1, {2}, "12")),
            "3: not an IDX file\n"
            "  at: FOLDER/x\n"
            "  why: it starts with 00 00 0A 01; expected 00 00, a type (08 09 0B 0C 0D 0E), and "
            "the number of dimensions");
  EXPECT_EQ(open_inputs(idx(8, {2, 2, 2}, "").substr(0, 9)),
            "3: the file is truncated\n"
            "  at: FOLDER/x\n"
            "  why: its header of 3 dimensions has 16 bytes; the file has 9");
  EXPECT_EQ(open_inputs(idx(14, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "12")),
            "3: the array's shape is negative or too large\n"
            "  at: FOLDER/x\n"
            "  why: its header says [4294967295, 4294967295, 4294967295]");
  EXPECT_EQ(open_inputs(idx(8, {0, 2, 2}, "")),
            "3: the data set is empty\n"
            "  at: FOLDER/x\n"
            "  why: 0 samples of shape [2, 2]");
}

TEST_F(DatasetErrorTest, PackedFilesThatAreDamagedOrClaimTooMuch) {
  const std::string packed = gzip(idx(8, {2, 100, 100}, std::string(20000, 'x')));
  EXPECT_EQ(open_inputs(packed.substr(0, packed.size() - 12), {100, 100}),
            "3: the gzip file is damaged\n"
            "  at: FOLDER/x\n"
            "  why: it ends in the middle of its data\n"
            "  try: fetch the file again");
  // 4 GiB claimed by a few hundred bytes: refused without allocating what is claimed.
  EXPECT_EQ(open_inputs(gzip(idx(8, {65536, 65536}, std::string(100000, 'x')))),
            "3: the file is truncated\n"
            "  at: FOLDER/x\n"
            "  why: its header says [65536, 65536] of 1 bytes each: 4294967296 bytes; it holds "
            "100000\n"
            "  try: fetch or write the file again");
  EXPECT_EQ(open_inputs(gzip(idx(8, {2, 2, 2}, std::string(10000000, 'x')))),
            "3: the file is longer than it says\n"
            "  at: FOLDER/x\n"
            "  why: its header says [2, 2, 2] of 1 bytes each: 8 bytes; it holds more\n"
            "  try: fetch or write the file again");
}

TEST_F(DatasetErrorTest, NpyFilesThatAreNotWhatTheyClaim) {
  EXPECT_EQ(open_inputs(npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", "")),
            "3: an array type that cannot be read\n"
            "  at: FOLDER/x\n"
            "  why: it holds |O\n"
            "  try: store it as numbers: x.astype('float32'), or 'int64' for labels");
  EXPECT_EQ(open_inputs(npy("{'descr': '<f4', 'shape': (2,)}", "")),
            "3: the NPY header is damaged\n"
            "  at: FOLDER/x\n"
            "  why: byte 31: one of descr, fortran_order, shape is missing");
  EXPECT_EQ(open_inputs(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -1)}", "")),
            "3: the NPY header is damaged\n"
            "  at: FOLDER/x\n"
            "  why: byte 54: expected a dimension");
  EXPECT_EQ(open_inputs(npy_floats("(2, 1)", {1, std::numeric_limits<float>::quiet_NaN()}), {1}),
            "3: the data hold a number that is not finite\n"
            "  at: FOLDER/x\n"
            "  why: record 1, element 0: nan\n"
            "  try: remove or replace the NaN and infinite entries");
}

TEST_F(DatasetErrorTest, AnNpzWithoutTheArrayNamesTheNearest) {
  DataRequest request = wants({2, 3});
  request.inputs[0].name = "aa";
  EXPECT_EQ(open(kNumpy + "stored.npz", request).substr(0, 35),
            "3: the NPZ file has no array aa\n  a");
  EXPECT_NE(
      open(kNumpy + "stored.npz", request)
          .find("  why: it holds: a, b, target; the model takes: aa [samples, 2, 3] F32; target "
                "[samples, ...], classes or numbers\n  try: did you mean a?"),
      std::string::npos);
  request.inputs[0].name = "something_else";
  EXPECT_NE(open(kNumpy + "stored.npz", request)
                .find("stored.npz\", **{\"something_else\": ..., \"target\": ...})"),
            std::string::npos);
}

TEST_F(DatasetErrorTest, ShapesAndTypesThatDoNotFitTheModel) {
  EXPECT_EQ(open_inputs(npy_floats("(2, 3, 2)", std::vector<float>(12))),
            "3: the data do not fit the model's input x\n"
            "  at: FOLDER/x\n"
            "  why: got [3, 2] a sample, expected [1, 2, 2]\n"
            "  try: mpsearch inspect shows the shapes of the model");
  EXPECT_EQ(open_inputs(npy_floats("(2, 4, 5, 3)", std::vector<float>(120)), {3, 4, 5}),
            "3: the data do not fit the model's input x\n"
            "  at: FOLDER/x\n"
            "  why: got [4, 5, 3] a sample, expected [3, 4, 5]: as many numbers, but in another "
            "order\n"
            "  try: transpose the array (images are channels first: [channels, height, width])");
  EXPECT_EQ(open_inputs(npy_floats("(3, 4)", std::vector<float>(12))),
            "3: inputs and target differ in number\n"
            "  at: FOLDER/x\n"
            "  why: 3 samples, but 2 in FOLDER/y.npy\n"
            "  try: arrays whose first dimensions are equal: a row for each sample");
  const std::string x = folder_.write("x", npy_floats("(2,)", {0, 1}));
  EXPECT_EQ(open(x + "," + x, wants({}, DType::I64)),
            "3: the data do not fit the model's input x\n"
            "  at: FOLDER/x\n"
            "  why: got F32 numbers, expected I64\n"
            "  try: store the array as integers");
  EXPECT_EQ(open(x + "," + x + "," + x, wants({})),
            "3: the data do not fit the model\n"
            "  at: FOLDER/x,FOLDER/x,FOLDER/x\n"
            "  why: got 2 inputs and a target, expected 1: x");
  DataRequest request = wants({});
  request.mean = {0.1F, 0.2F};
  EXPECT_EQ(open(x + "," + x, request),
            "2: --mean and --std do not fit the data\n"
            "  at: FOLDER/x\n"
            "  why: got 2 values, a sample [] has 1 channels\n"
            "  try: give one value, or one for each channel");
}

// Every reader, on files cut or flipped at random: an answer or an Error, never a crash. (That the
// answer is right where a payload's bits flip, no reader can know.)
TEST_F(DatasetErrorTest, MutatedFilesNeverCrashAReader) {
  const std::string images = idx(8, {2, 2, 2}, "12345678");
  const std::vector<std::pair<std::string, DataRequest>> seeds{
      {images, wants({1, 2, 2})},
      {gzip(images), wants({1, 2, 2})},
      {npy_floats("(2, 4)", std::vector<float>(8, 0.5F)), wants({2, 2})},
      {content_of(kNumpy + "f4_columns.npy"), wants({2, 3})},
      {content_of(kNumpy + "f8_big.npy"), wants({2, 3})},
      {content_of(kNumpy + "stored.npz"), wants({2, 3})},
      {content_of(kNumpy + "packed.npz"), wants({2, 3})},
  };
  std::mt19937 random(1);
  int refused = 0, accepted = 0;
  for (auto [content, request] : seeds) {
    request.inputs[0].name = "a";
    const std::string y = folder_.write("y.npy", npy_labels({0, 1}));
    for (int round = 0; round < 400; ++round) {
      std::string mutant = content;
      if (round % 4 == 0) mutant.resize(random() % mutant.size());
      for (unsigned flips = random() % 4; flips-- > 0 && !mutant.empty();) {
        mutant[random() % mutant.size()] ^= static_cast<char>(1U << (random() % 8));
      }
      const std::string x = folder_.write("x", mutant);
      const bool archive = content.starts_with("PK");
      try {
        open_data(archive ? x : x + "," + y, request);
        ++accepted;
      } catch (const Error& error) {
        EXPECT_NE(error.kind(), ErrorKind::Internal) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 700);
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace mpsearch
