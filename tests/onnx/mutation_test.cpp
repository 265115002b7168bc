// Damaged copies of every reference file: each imports, or is refused with one Error that blames
// the file. Flipped bits and cut ends outside of the weights, and edits that keep the file
// readable: dimensions, element types, names, inputs of nodes, operators, attributes.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <random>
#include <vector>

#include "models/onnx/import.h"
#include "models/training.h"
#include "tests/onnx/files.h"

namespace mpsearch {
namespace {

namespace fs = std::filesystem;

constexpr int kFlips = 20;
constexpr int kCuts = 8;
constexpr int kEdits = 120;

std::vector<fs::path> reference_files() {
  std::vector<fs::path> files;
  const fs::path root = fs::path(MPSEARCH_SOURCE_DIR) / "tests/reference";
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".onnx") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

class Mutator {
 public:
  Mutator(std::string bytes, unsigned seed) : bytes_(std::move(bytes)), random_(seed) {
    original_.ParseFromString(bytes_);
    for (const onnx::TensorProto& tensor : original_.graph().initializer()) {
      const std::string& data = tensor.raw_data();
      const std::size_t begin = data.size() < 16 ? std::string::npos : bytes_.find(data);
      if (begin != std::string::npos) payloads_.push_back({begin, begin + data.size()});
    }
  }

  std::string flipped() {
    std::string bytes = bytes_;
    bytes[place()] ^= static_cast<char>(1 << below(8));
    return bytes;
  }

  std::string cut() { return bytes_.substr(0, place()); }

  std::string edited() {
    onnx::ModelProto model = original_;
    const auto times = 1 + below(2);
    for (std::size_t i = 0; i < times; ++i) edit(*model.mutable_graph());
    return model.SerializeAsString();
  }

 private:
  std::size_t below(std::size_t n) { return n == 0 ? 0 : random_() % n; }

  /// A byte that is none of a weight's: those may hold anything.
  std::size_t place() {
    for (int tries = 0; tries < 200; ++tries) {
      const std::size_t at = below(bytes_.size());
      const auto holds = [&](const auto& range) { return at >= range.first && at < range.second; };
      if (std::ranges::none_of(payloads_, holds)) return at;
    }
    return 0;
  }

  std::int64_t strange() {
    constexpr std::int64_t kValues[] = {0, 1, 2, 3, -1, -2, 64, 1 << 20, INT64_MAX, INT64_MIN};
    return kValues[below(std::size(kValues))];
  }

  std::string some_name(const onnx::GraphProto& graph) {
    const onnx::NodeProto& node = graph.node(static_cast<int>(below(graph.node_size())));
    const auto& names = below(2) == 0 ? node.input() : node.output();
    return names.empty() ? "" : names[static_cast<int>(below(names.size()))];
  }

  void edit_type(onnx::ValueInfoProto& info) {
    onnx::TypeProto_Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
    auto& shape = *tensor.mutable_shape();
    switch (below(4)) {
      case 0:
        tensor.set_elem_type(static_cast<int>(below(28)));
        break;
      case 1:
        shape.add_dim()->set_dim_value(strange());
        break;
      default:
        if (shape.dim_size() == 0) return;
        shape.mutable_dim(static_cast<int>(below(shape.dim_size())))->set_dim_value(strange());
    }
  }

  void edit_attribute(onnx::NodeProto& node) {
    if (node.attribute_size() == 0) return;
    onnx::AttributeProto& attribute =
        *node.mutable_attribute(static_cast<int>(below(node.attribute_size())));
    switch (below(5)) {
      case 0:
        attribute.set_name("unheard_of");
        break;
      case 1:
        attribute.set_type(onnx::AttributeProto::STRING);
        break;
      case 2:
        if (attribute.has_i()) attribute.set_i(strange());
        if (attribute.ints_size() > 0) attribute.add_ints(strange());
        break;
      default:
        if (attribute.has_i()) attribute.set_i(strange());
        if (attribute.ints_size() > 0) {
          attribute.set_ints(static_cast<int>(below(attribute.ints_size())), strange());
        }
        if (attribute.has_t() && attribute.t().dims_size() > 0) {
          attribute.mutable_t()->set_dims(0, strange());
        }
    }
  }

  void edit_node(onnx::GraphProto& graph) {
    constexpr const char* kOperators[] = {"Relu",   "Conv",    "MatMul",  "Gemm",  "Reshape",
                                          "Concat", "Gather",  "Slice",   "Where", "Split",
                                          "Pad",    "MaxPool", "Softmax", "LSTM",  ""};
    onnx::NodeProto& node = *graph.mutable_node(static_cast<int>(below(graph.node_size())));
    switch (below(7)) {
      case 0:
        if (node.input_size() > 0) {
          node.set_input(static_cast<int>(below(node.input_size())), some_name(graph));
        }
        break;
      case 1:
        if (node.input_size() > 0) node.mutable_input()->RemoveLast();
        break;
      case 2:
        node.add_input(some_name(graph));
        break;
      case 3:
        if (node.output_size() > 0) node.set_output(0, some_name(graph));
        break;
      case 4:
        node.set_op_type(kOperators[below(std::size(kOperators))]);
        break;
      default:
        edit_attribute(node);
    }
  }

  void edit_initializer(onnx::TensorProto& tensor) {
    switch (below(4)) {
      case 0:
        tensor.set_data_type(static_cast<int>(below(28)));
        break;
      case 1:
        tensor.set_name(some_name(original_.graph()));
        break;
      default:
        if (tensor.dims_size() > 0) {
          tensor.set_dims(static_cast<int>(below(tensor.dims_size())), strange());
        }
    }
  }

  void edit(onnx::GraphProto& graph) {
    switch (below(8)) {
      case 0:
        if (graph.input_size() > 0) edit_type(*graph.mutable_input(0));
        break;
      case 1:
        if (graph.output_size() > 0) edit_type(*graph.mutable_output(0));
        break;
      case 2:
        if (graph.output_size() > 0) graph.mutable_output(0)->set_name(some_name(graph));
        break;
      case 3:
        if (graph.initializer_size() > 0) {
          edit_initializer(
              *graph.mutable_initializer(static_cast<int>(below(graph.initializer_size()))));
        }
        break;
      default:
        if (graph.node_size() > 0) edit_node(graph);
    }
  }

  std::string bytes_;
  onnx::ModelProto original_;
  std::vector<std::pair<std::size_t, std::size_t>> payloads_;
  std::mt19937 random_;
};

class Mutants : public Files, public testing::WithParamInterface<fs::path> {
 protected:
  /// Files with external data read it from the folder of the mutant.
  void SetUp() override {
    Files::SetUp();
    const fs::path data = GetParam().string() + ".data";
    if (fs::exists(data)) fs::copy_file(data, folder / data.filename());
  }

  void expect_import_or_error(const std::string& bytes, const std::string& label) {
    fs::remove(folder / "mutant.onnx");
    const fs::path path = write("mutant.onnx", bytes);
    try {
      training_graph(import_model(path), {});
      ++imported_;
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::Internal) << label << ": " << error.text().what;
      EXPECT_FALSE(error.text().what.empty()) << label;
    } catch (const std::exception& error) {
      ADD_FAILURE() << label << ": " << error.what();
    }
    if (HasFailure())
      fs::copy_file(path, fs::temp_directory_path() / "mutant.onnx",
                    fs::copy_options::overwrite_existing);
  }

  int imported_ = 0;
};

TEST_P(Mutants, ImportOrAreRefused) {
  Mutator mutator(read(GetParam()), 7);
  const auto label = [](const char* how, int i) { return std::string(how) + std::to_string(i); };
  for (int i = 0; i < kFlips; ++i) expect_import_or_error(mutator.flipped(), label("flip ", i));
  for (int i = 0; i < kCuts; ++i) expect_import_or_error(mutator.cut(), label("cut ", i));
  for (int i = 0; i < kEdits; ++i) expect_import_or_error(mutator.edited(), label("edit ", i));
  EXPECT_LT(imported_, kFlips + kCuts + kEdits);  // some of them must have been hit
}

INSTANTIATE_TEST_SUITE_P(Files, Mutants, testing::ValuesIn(reference_files()), [](const auto& of) {
  std::string name = of.param.stem().string();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace mpsearch
