#include "models/onnx/rewrite.h"

#include <algorithm>

#include <unordered_set>

#include "kernels/error.h"
#include "models/onnx/attributes.h"
#include "models/onnx/check.h"
#include "models/onnx/host_tensor.h"

namespace mpsearch {
namespace {

constexpr int kMeanInput = 3;
constexpr int kVarianceInput = 4;

/// Undoes what open_model did to large and external initializers.
void restore_initializers(ModelFile& file) {
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  std::unordered_map<std::string, onnx::TensorProto*> small;
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) small[tensor.name()] = &tensor;
  google::protobuf::RepeatedPtrField<onnx::TensorProto> all;
  for (std::size_t i = 0; i < file.initializers.size(); ++i) {
    const Initializer& initializer = file.initializers[i];
    const auto kept = small.find(initializer.name);
    if (kept != small.end()) {
      all.Add()->Swap(kept->second);
      small.erase(kept);
      continue;
    }
    onnx::TensorProto& tensor = *all.Add();
    tensor.Swap(&file.headers[i]);
    tensor.clear_external_data();
    tensor.clear_data_location();
    tensor.set_raw_data(initializer.data.data(), initializer.data.size());
  }
  for (auto& [name, tensor] : small) all.Add()->Swap(tensor);  // of expanded functions
  graph.mutable_initializer()->Swap(&all);
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> inputs;
  for (onnx::ValueInfoProto& input : *graph.mutable_input()) {
    if (!file.added_inputs.contains(input.name())) inputs.Add()->Swap(&input);
  }
  graph.mutable_input()->Swap(&inputs);
}

void remove_attribute(onnx::NodeProto& node, std::string_view name) {
  for (int i = node.attribute_size(); i-- > 0;) {
    if (node.attribute(i).name() == name) node.mutable_attribute()->DeleteSubrange(i, 1);
  }
}

/// What nodes and the graph's outputs read.
std::unordered_set<std::string> names_read(const onnx::GraphProto& graph) {
  std::unordered_set<std::string> names;
  for (const onnx::NodeProto& node : graph.node()) {
    names.insert(node.input().begin(), node.input().end());
  }
  for (const onnx::ValueInfoProto& output : graph.output()) names.insert(output.name());
  return names;
}

/// Nodes exported for training go back to inference, but for norms whose statistics are read.
void set_inference_mode(onnx::GraphProto& graph) {
  const std::unordered_set<std::string> read = names_read(graph);
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (node.op_type() == "BatchNormalization") {
      const auto statistics = node.output().begin() + 1;
      if (std::any_of(statistics, node.output().end(),
                      [&](const std::string& name) { return read.contains(name); })) {
        continue;
      }
      remove_attribute(node, "training_mode");
      node.mutable_output()->DeleteSubrange(1, node.output_size() - 1);
    }
    if (node.op_type() == "Dropout" && node.input_size() > 2) node.mutable_input()->RemoveLast();
  }
}

/// Values of one row (share_rows) are those of all rows.
void set_elements(onnx::TensorProto& tensor, const std::vector<float>& values) {
  const std::int64_t elements = elements_of(shape_of(tensor));
  const auto given = static_cast<std::int64_t>(values.size());
  const bool one_row = tensor.dims_size() > 2 && given * tensor.dims(0) == elements;
  require(given == elements || one_row, ErrorKind::Internal,
          "new values of '" + tensor.name() + "' differ in number");
  const std::string row = encoded(tensor.data_type(), values);
  std::string raw;
  for (std::int64_t i = 0; i < (one_row ? tensor.dims(0) : 1); ++i) raw += row;
  tensor.clear_float_data();
  tensor.clear_int32_data();
  tensor.clear_double_data();
  tensor.set_raw_data(raw);
}

/// Statistics that a node of the file makes become initializers of their own.
void add_statistics(onnx::GraphProto& graph, TrainedValues& left) {
  for (onnx::NodeProto& node : *graph.mutable_node()) {
    if (node.op_type() != "BatchNormalization") continue;
    for (const int input : {kMeanInput, kVarianceInput}) {
      const auto found = left.find(statistic_name(node.name(), input == kVarianceInput));
      if (found == left.end()) continue;
      onnx::TensorProto& tensor = *graph.add_initializer();
      tensor.set_name(found->first);
      tensor.set_data_type(onnx::TensorProto::FLOAT);
      tensor.add_dims(static_cast<std::int64_t>(found->second.size()));
      set_elements(tensor, found->second);
      node.set_input(input, found->first);
      left.erase(found);
    }
  }
}

void set_values(onnx::GraphProto& graph, const TrainedValues& values) {
  TrainedValues left = values;
  for (onnx::TensorProto& tensor : *graph.mutable_initializer()) {
    const auto found = left.find(tensor.name());
    if (found == left.end()) continue;
    set_elements(tensor, found->second);
    left.erase(found);
  }
  add_statistics(graph, left);
  require(left.empty(), ErrorKind::Internal,
          left.empty() ? "" : "the file has no tensor '" + left.begin()->first + "'");
}

}  // namespace

void set_metadata(onnx::ModelProto& model, const FileMetadata& metadata) {
  for (int i = model.metadata_props_size(); i-- > 0;) {
    if (metadata.contains(model.metadata_props(i).key())) {
      model.mutable_metadata_props()->DeleteSubrange(i, 1);
    }
  }
  for (const auto& [key, value] : metadata) {
    onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
}

std::string statistic_name(const std::string& node, bool variance) {
  return node + (variance ? ".running_var" : ".running_mean");
}

onnx::ModelProto rebuilt(const std::filesystem::path& original, const TrainedValues& values) {
  ModelFile file = open_model(original);
  check_and_expand(file);
  restore_initializers(file);
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  set_inference_mode(graph);
  set_values(graph, values);
  // Before IR 4 every initializer had to be an input too.
  file.proto.set_ir_version(std::max<std::int64_t>(file.proto.ir_version(), 4));
  return std::move(file.proto);
}

}  // namespace mpsearch
