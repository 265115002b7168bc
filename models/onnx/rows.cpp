#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "models/onnx/check.h"
#include "models/onnx/host_tensor.h"

namespace mpsearch {
namespace {

/// Inputs that hold activations, never weights. -1: all of the operator's.
constexpr std::array<std::pair<std::string_view, int>, 8> kDataInputs{{{"Concat", -1},
                                                                       {"Add", -1},
                                                                       {"Sub", -1},
                                                                       {"Mul", -1},
                                                                       {"LayerNormalization", 0},
                                                                       {"RMSNormalization", 0},
                                                                       {"MatMul", 0},
                                                                       {"Gemm", 0}}};

bool takes_data(const onnx::NodeProto& node, int input) {
  return std::ranges::any_of(kDataInputs, [&](const auto& entry) {
    return entry.first == node.op_type() && (entry.second < 0 || entry.second == input);
  });
}

/// Initializers of three or more dimensions that only such inputs read.
std::unordered_map<std::string, bool> data_names(const ModelFile& file) {
  std::unordered_map<std::string, bool> names;
  for (const onnx::NodeProto& node : file.proto.graph().node()) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) return {};  // a branch may read any of them
    }
    for (int i = 0; i < node.input_size(); ++i) {
      const auto [entry, added] = names.try_emplace(node.input(i), true);
      entry->second = entry->second && takes_data(node, i);
    }
  }
  return names;
}

/// Whether all rows of a float tensor are one. Rows of one number say nothing: a fresh scale of as
/// many channels as the batch has samples looks like that, too.
bool repeats_a_row(const Initializer& tensor, std::int64_t batch) {
  if (tensor.shape.size() < 3 || tensor.shape[0] != batch || !onnx_is_float(tensor.type)) {
    return false;
  }
  const std::size_t row = tensor.data.size() / static_cast<std::size_t>(batch);
  if (elements_of(tensor.shape) <= batch || row == 0) return false;
  const std::byte* const first = tensor.data.data();
  for (std::size_t at = row; at < tensor.data.size(); at += row) {
    if (std::memcmp(first, first + at, row) != 0) return false;
  }
  return true;
}

/// What the graph holds of the tensor: a small initializer, or an input that stands for it.
void keep_a_row(onnx::GraphProto& graph, const Initializer& row) {
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) {
    if (tensor.name() != row.name) continue;
    tensor.set_dims(0, 1);
    tensor.clear_float_data();
    tensor.clear_int32_data();
    tensor.clear_double_data();
    tensor.set_raw_data(row.data.data(), row.data.size());
  }
  for (auto* infos : {graph.mutable_input(), graph.mutable_value_info()}) {
    for (onnx::ValueInfoProto& info : *infos) {
      if (info.name() != row.name || !info.type().tensor_type().has_shape()) continue;
      info.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(1);
    }
  }
}

void add_expand(google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, const std::string& name,
                const Shape& shape) {
  onnx::NodeProto& constant = *nodes.Add();
  constant.set_name(name + ".shape");
  constant.set_op_type("Constant");
  constant.add_output(name + ".shape");
  onnx::AttributeProto& value = *constant.add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(onnx::TensorProto::INT64);
  value.mutable_t()->add_dims(static_cast<std::int64_t>(shape.size()));
  for (const std::int64_t size : shape) value.mutable_t()->add_int64_data(size);
  onnx::NodeProto& expand = *nodes.Add();
  expand.set_name(name + ".rows");
  expand.set_op_type("Expand");
  expand.add_input(name);
  expand.add_input(name + ".shape");
  expand.add_output(name + ".rows");
}

}  // namespace

void share_rows(ModelFile& file, std::int64_t batch) {
  if (batch < 2 || opset_of(file.proto) < 13) return;
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  const std::unordered_map<std::string, bool> names = data_names(file);
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  std::unordered_map<std::string, std::string> renamed;
  for (Initializer& tensor : file.initializers) {
    const auto found = names.find(tensor.name);
    if (found == names.end() || !found->second || !repeats_a_row(tensor, batch)) continue;
    add_expand(nodes, tensor.name, tensor.shape);
    renamed[tensor.name] = tensor.name + ".rows";
    tensor.shape[0] = 1;
    tensor.data = tensor.data.first(tensor.data.size() / static_cast<std::size_t>(batch));
    keep_a_row(graph, tensor);
  }
  if (renamed.empty()) return;
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    for (std::string& input : *node.mutable_input()) {
      const auto found = renamed.find(input);
      if (found != renamed.end()) input = found->second;
    }
    nodes.Add()->Swap(&node);
  }
  graph.mutable_node()->Swap(&nodes);
}

}  // namespace mpsearch
