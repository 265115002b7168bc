#include "models/zoo/zoo.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/error.h"

namespace mpsearch {
namespace {

class Zoo : public testing::Test {
 protected:
  std::string written(const std::string& name, const std::map<std::string, double>& options) {
    const std::filesystem::path path = folder_ / (name + ".onnx");
    write_zoo(name, options, path);
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("mpsearch-zoo-" + std::to_string(getpid()));
};

/// Parameters and running statistics, four bytes each, make up a file but for some names.
void expect_elements(const std::string& file, std::size_t elements) {
  EXPECT_GE(file.size(), 4 * elements);
  EXPECT_LE(file.size(), 4 * elements + 40'000);
}

TEST_F(Zoo, holds_the_weights_of_the_published_networks) {
  expect_elements(written("mlp", {}), 784 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 10 + 10);
  expect_elements(written("lenet", {}), 61'706);
  // Torchvision's resnet18 has 11,689,512 parameters and 4,800 batch-norm channels.
  expect_elements(written("resnet18", {{"image", 224}, {"classes", 1000}}), 11'689'512 + 2 * 4'800);
  expect_elements(written("resnet18", {}), 11'173'962 + 2 * 4'800);
  // Torchvision's resnet50: 25,557,032 and 26,560; mobilenetv2: 3,504,872 and 17,056.
  expect_elements(written("resnet50", {{"image", 224}, {"classes", 1000}}),
                  25'557'032 + 2 * 26'560);
  expect_elements(written("mobilenetv2", {{"image", 224}, {"classes", 1000}}),
                  3'504'872 + 2 * 17'056);
}

TEST_F(Zoo, gives_the_same_bytes_for_the_same_seed) {
  for (const ZooEntry& entry : zoo()) {
    std::map<std::string, double> small;
    for (const ZooOption& option : entry.options) {
      if (option.name == "width") small["width"] = 0.125;
      if (option.name == "hidden" || option.name == "dim") small[option.name] = 8;
    }
    const std::string first = written(entry.name, small);
    EXPECT_EQ(first, written(entry.name, small)) << entry.name;
    std::map<std::string, double> other = small;
    other["seed"] = 1;
    EXPECT_NE(first, written(entry.name, other)) << entry.name;
  }
}

TEST_F(Zoo, leaves_no_temporary_file) {
  written("lenet", {});
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(Zoo, names_what_there_is_where_a_name_is_wrong) {
  try {
    written("lenett", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_EQ(error.text().why,
              "there are mlp, lenet, vgg, resnet18, resnet50, mobilenetv2, unet, autoencoder, "
              "siamese, two-heads, transformer, transformer-lm");
  }
  EXPECT_THROW(written("lenet", {{"colour", 1}}), Error);
  EXPECT_THROW(written("lenet", {{"image", 8}}), Error);
  EXPECT_THROW(written("vgg", {{"image", 15.5}}), Error);
}

TEST_F(Zoo, says_that_a_folder_is_missing) {
  try {
    write_zoo("lenet", {}, folder_ / "nowhere" / "x.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::CannotCreate);
  }
}

}  // namespace
}  // namespace mpsearch
