// Folding against the node tests of the ONNX project: inputs and outputs that ONNX's own reference
// made.
#include "models/onnx/fold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include "kernels/error.h"
#include "models/onnx/check.h"

namespace mpsearch {
namespace {

const std::filesystem::path kNodeTests = "/usr/share/libonnx-testdata/data/node";

template <class Message>
std::optional<Message> read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Message message;
  if (!stream || !message.ParseFromIstream(&stream)) return std::nullopt;
  return message;
}

std::optional<HostTensor> read_tensor(const std::filesystem::path& path) {
  const std::optional<onnx::TensorProto> tensor = read<onnx::TensorProto>(path);
  if (!tensor.has_value() || !has_host_elements(tensor->data_type())) return std::nullopt;
  try {
    return host_tensor(*tensor);
  } catch (const Error&) {  // a sequence or optional, which parses as a tensor by accident
    return std::nullopt;
  }
}

void expect_equal(const HostTensor& got, const HostTensor& wanted, const std::string& test) {
  EXPECT_EQ(got.type, wanted.type) << test;
  EXPECT_EQ(got.shape, wanted.shape) << test;
  EXPECT_EQ(got.integers, wanted.integers) << test;
  ASSERT_EQ(got.reals.size(), wanted.reals.size()) << test;
  for (std::size_t i = 0; i < got.reals.size(); ++i) {
    const bool same = got.reals[i] == wanted.reals[i] ||
                      (std::isnan(got.reals[i]) && std::isnan(wanted.reals[i]));
    if (same) continue;
    EXPECT_NEAR(got.reals[i], wanted.reals[i], 2e-6 * (1 + std::abs(wanted.reals[i]))) << test;
  }
}

/// Whether the node could be run; its inputs are floats and integers that a host tensor can hold.
bool run(const std::filesystem::path& folder, const onnx::ModelProto& model) {
  const std::filesystem::path data = folder / "test_data_set_0";
  const onnx::NodeProto& node = model.graph().node(0);
  std::vector<HostTensor> inputs(static_cast<std::size_t>(node.input_size()));
  std::vector<const HostTensor*> pointers;
  int file = 0;
  for (int i = 0; i < node.input_size(); ++i) {
    pointers.push_back(nullptr);
    if (node.input(i).empty()) continue;
    const auto tensor = read_tensor(data / ("input_" + std::to_string(file++) + ".pb"));
    if (!tensor.has_value()) return false;
    inputs[static_cast<std::size_t>(i)] = *tensor;
    pointers.back() = &inputs[static_cast<std::size_t>(i)];
  }
  const std::optional<HostTensor> wanted = read_tensor(data / "output_0.pb");
  if (!wanted.has_value()) return false;
  const std::string test = folder.filename().string();
  try {
    expect_equal(fold(node, opset_of(model), pointers), *wanted, test);
  } catch (const std::exception& error) {
    ADD_FAILURE() << test << ": " << error.what();
  }
  return true;
}

TEST(Fold, agrees_with_the_node_tests_of_the_onnx_project) {
  std::map<std::string, int> tests;
  for (const auto& entry : std::filesystem::directory_iterator(kNodeTests)) {
    const std::optional<onnx::ModelProto> model =
        read<onnx::ModelProto>(entry.path() / "model.onnx");
    if (!model.has_value() || model->graph().node_size() != 1) continue;
    const std::string& op = model->graph().node(0).op_type();
    // Expanded ones repeat others; the BFLOAT16 ones of this release store their tensors as UINT16.
    const std::string name = entry.path().filename().string();
    const bool skip = name.ends_with("_expanded") || name.find("BFLOAT16") != std::string::npos;
    if (can_fold(op) && !skip && run(entry.path(), *model)) ++tests[op];
  }
  int sum = 0;
  for (const auto& [op, count] : tests) sum += count;
  EXPECT_GE(tests.size(), 45u);
  EXPECT_GE(sum, 200);
}

}  // namespace
}  // namespace mpsearch
