// What a user reads where a file is not what it should be: whole texts, so that none of them fades.
#include <cstring>

#include "kernels/number/philox.h"
#include "models/onnx/builder.h"
#include "models/onnx/import.h"
#include "models/zoo/zoo.h"
#include "tests/onnx/files.h"

namespace mpsearch {
namespace {

class ImportError : public Files {
 protected:
  Error of(const std::filesystem::path& path, const ImportOptions& options = {}) const {
    return error_of([&] { import_model(path, options); });
  }

  /// A model whose weights lie in `location`, at `offset`, `length` bytes.
  std::filesystem::path external(const std::string& location, const std::string& offset = "0",
                                 const std::string& length = "36") const {
    OnnxBuilder builder("external");
    builder.input("x", {2, 3});
    builder.external("w", {3, 3}, location, offset, length);
    builder.output(builder.node("fc", "MatMul", {"x", "w"}));
    return write("model.onnx", builder.bytes());
  }
};

void expect_text(const Error& error, ErrorKind kind, const std::string& what,
                 const std::string& why) {
  EXPECT_EQ(error.kind(), kind);
  EXPECT_EQ(error.text().what, what);
  EXPECT_EQ(error.text().why, why);
}

TEST_F(ImportError, missing_file) {
  const std::string path = (folder / "no.onnx").string();
  expect_text(of(path), ErrorKind::Missing, "cannot open '" + path + "'",
              "No such file or directory");
}

TEST_F(ImportError, empty_file) {
  const std::string path = write("model.onnx", "").string();
  expect_text(of(path), ErrorKind::BadContent, "'" + path + "' is not a complete ONNX file",
              "the file is empty");
}

TEST_F(ImportError, git_lfs_pointer) {
  const Error error = of(write(
      "model.onnx", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"));
  expect_text(error, ErrorKind::BadContent, "this is a Git-LFS pointer, not the model",
              "70 bytes of text");
  EXPECT_EQ(error.text().try_, "git lfs pull");
}

TEST_F(ImportError, truncated_file) {
  write_zoo("lenet", {}, folder / "whole.onnx");
  const std::string bytes = read(folder / "whole.onnx");
  const std::string path = write("model.onnx", bytes.substr(0, 100'000)).string();
  const Error error = of(path);
  EXPECT_EQ(error.kind(), ErrorKind::BadContent);
  EXPECT_EQ(error.text().what, "'" + path + "' is not a complete ONNX file");
  EXPECT_TRUE(error.text().why.starts_with("field 7 claims ")) << error.text().why;
  EXPECT_TRUE(error.text().why.ends_with(" are left")) << error.text().why;
}

TEST_F(ImportError, text_file) {
  const std::string path = write("model.onnx", "this is no model\n").string();
  EXPECT_EQ(of(path).kind(), ErrorKind::BadContent);
}

TEST_F(ImportError, newer_opset_and_ir_version) {
  const auto write_versions = [&](int opset, int ir) {
    OnnxBuilder builder("new", opset, ir);
    builder.output(builder.node("y", "Relu", {builder.input("x", {2, 3})}));
    return write("model.onnx", builder.bytes());
  };
  expect_text(of(write_versions(29, 10)), ErrorKind::BadContent, "opset 29 is not known",
              "1 to 28 can be read");
  expect_text(of(write_versions(17, 15)), ErrorKind::BadContent, "IR version 15 is not known",
              "3 to 14 can be read");
}

TEST_F(ImportError, external_data_is_read_beside_the_model_only) {
  std::string data(100, '\0');
  const float seven = 7;
  std::memcpy(data.data() + 64, &seven, sizeof seven);
  write("weights.bin", data);
  const Model model = import_model(external("weights.bin", "64"));
  float first = 0;
  for (const Value& value : model.graph.values) {
    if (value.name == "w") std::memcpy(&first, value.data->data(), sizeof first);
  }
  EXPECT_EQ(first, 7);

  expect_text(of(external("weights.bin", "80")), ErrorKind::BadContent, "external data refused",
              "offset 80 and length 36 lie past the end of 100 bytes");
  expect_text(of(external("weights.bin", "18446744073709551615")), ErrorKind::BadContent,
              "external data refused",
              "offset 18446744073709551615 and length 36 lie past the end of 100 bytes");
  expect_text(of(external("weights.bin", "0", "40")), ErrorKind::BadContent,
              "tensor 'w' is damaged", "40 bytes of data, but FLOAT [3, 3] takes 36");
  expect_text(of(external("weights.bin", "-1")), ErrorKind::BadContent, "tensor 'w' is damaged",
              "offset of its external data is '-1'");
  expect_text(of(external("/etc/passwd")), ErrorKind::BadContent, "external data refused",
              "the path is absolute");
  expect_text(of(external("../weights.bin")), ErrorKind::BadContent, "external data refused",
              "the path leads out of the model's folder");
  expect_text(of(external("")), ErrorKind::BadContent, "external data refused",
              "the path is empty");
  EXPECT_EQ(of(external("nowhere.bin")).kind(), ErrorKind::Missing);
  std::filesystem::create_symlink("/etc/passwd", folder / "link.bin");
  expect_text(of(external("link.bin")), ErrorKind::BadContent, "external data refused",
              "a symbolic link leads out of the model's folder");
}

TEST_F(ImportError, shapes_that_contradict_name_the_node) {
  OnnxBuilder builder("bad");
  builder.input("x", {2, 3});
  builder.initializer("w", {4, 5}, std::vector<float>(20));
  builder.output(builder.node("fc", "MatMul", {"x", "w"}));
  const Error error = of(write("model.onnx", builder.bytes()));
  EXPECT_EQ(error.kind(), ErrorKind::BadContent);
  EXPECT_NE(error.text().what.find("'fc'"), std::string::npos) << error.text().what;
}

TEST_F(ImportError, declared_output_shape_that_does_not_come_out) {
  OnnxBuilder builder("bad");
  builder.output(builder.node("y", "Relu", {builder.input("x", {2, 3})}), {2, 4});
  EXPECT_EQ(of(write("model.onnx", builder.bytes())).kind(), ErrorKind::BadContent);
}

TEST_F(ImportError, unknown_input_name_and_wrong_rank) {
  OnnxBuilder builder("inputs");
  builder.output(builder.node("y", "Relu", {builder.input("x", {"N", 3})}));
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  expect_text(of(path, {.inputs = {{"z", {1, 3}}}}), ErrorKind::Usage,
              "--input z: the model has no such input", "its inputs are: x");
  EXPECT_EQ(of(path, {.inputs = {{"x", {1, 3, 3}}}}).text().what,
            "--input x: 3 dimensions given, it has 2");
  EXPECT_EQ(of(path, {.batch = 4, .inputs = {{"x", {5, 3}}}}).text().what,
            "--batch 4 and --input disagree: 5");
}

/// Cut anywhere, or with bits flipped: an error or a model, never anything else.
TEST_F(ImportError, damaged_files_never_crash) {
  write_zoo("lenet", {{"width", 0.2}}, folder / "whole.onnx");
  const std::string whole = read(folder / "whole.onnx");
  const RandomStream stream{1, 0, 0};
  std::uint64_t drawn = 0;
  const auto draw = [&](std::size_t below) { return random_word(stream, drawn++) % below; };
  for (int round = 0; round < 600; ++round) {
    std::string bytes = whole;
    if (round % 3 == 0) bytes.resize(draw(bytes.size()));
    const std::size_t flips = round % 3 == 0 ? 0 : 1 + draw(8);
    for (std::size_t i = 0; i < flips; ++i) {
      // Weights are most of the file; half of the flips hit what describes them, at its two ends.
      const std::size_t near = draw(4000);
      const std::size_t at = draw(2) == 0   ? draw(bytes.size())
                             : draw(2) == 0 ? near % bytes.size()
                                            : bytes.size() - 1 - near % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << draw(8)));
    }
    const std::filesystem::path path = write("model.onnx", bytes);
    try {
      summarize_model(path);
      import_model(path);
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::Internal)
          << "round " << round << ": " << error.what() << error.text().at;
    }
  }
}

}  // namespace
}  // namespace mpsearch
