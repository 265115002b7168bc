#include <algorithm>
#include <map>
#include <set>

#include "models/onnx/attributes.h"
#include "models/onnx/check.h"
#include "models/onnx/host_tensor.h"

namespace mpsearch {
namespace {

/// Inputs in which an operator takes weights.
const std::map<std::string, std::set<int>>& weight_inputs() {
  static const std::map<std::string, std::set<int>> kInputs{{"Conv", {1, 2}},
                                                            {"Gemm", {0, 1, 2}},
                                                            {"MatMul", {0, 1}},
                                                            {"BatchNormalization", {1, 2, 3, 4}},
                                                            {"ConvTranspose", {1, 2}},
                                                            {"LayerNormalization", {1, 2}},
                                                            {"RMSNormalization", {1}},
                                                            {"GroupNormalization", {1, 2}},
                                                            {"InstanceNormalization", {1, 2}},
                                                            {"PRelu", {1}}};
  return kInputs;
}

/// A product of two constants is a table (angles of positions), no layer.
std::set<std::string> names_of_weights(const onnx::GraphProto& graph) {
  std::set<std::string> names, constants;
  for (const onnx::NodeProto& node : graph.node()) {
    if (node.op_type() == "Constant") constants.insert(node.output().begin(), node.output().end());
  }
  for (const onnx::NodeProto& node : graph.node()) {
    const auto inputs = weight_inputs().find(node.op_type());
    if (inputs == weight_inputs().end()) continue;
    if (node.input_size() > 1 && constants.contains(node.input(0)) &&
        constants.contains(node.input(1))) {
      continue;
    }
    for (const int input : inputs->second) {
      if (input < node.input_size()) names.insert(node.input(input));
    }
  }
  return names;
}

/// A tensor of ones or zeros stands for a parameter that is not there (a norm without affine).
bool is_weight(const onnx::TensorProto& tensor) {
  if (!onnx_trains(tensor.data_type())) return false;
  const HostTensor elements = host_tensor(tensor);
  return std::any_of(elements.reals.begin(), elements.reals.end(),
                     [&](double value) { return value != elements.reals[0]; });
}

}  // namespace

void lift_weights(ModelFile& file) {
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  const std::set<std::string> weights = names_of_weights(graph);
  google::protobuf::RepeatedPtrField<onnx::NodeProto> kept;
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    const onnx::AttributeProto* value =
        node.op_type() == "Constant" && node.output_size() == 1 && weights.contains(node.output(0))
            ? find_attribute(node, "value")
            : nullptr;
    if (value == nullptr || !value->has_t() || !is_weight(value->t())) {
      kept.Add()->Swap(&node);
      continue;
    }
    onnx::TensorProto& tensor = *graph.add_initializer();
    tensor = value->t();
    tensor.set_name(node.output(0));
    file.owned.push_back(raw_elements(tensor));
    file.initializer_index.emplace(tensor.name(), file.initializers.size());
    file.initializers.push_back({tensor.name(), tensor.data_type(), shape_of(tensor),
                                 std::as_bytes(std::span(file.owned.back()))});
    file.headers.emplace_back();
  }
  graph.mutable_node()->Swap(&kept);
}

}  // namespace mpsearch
