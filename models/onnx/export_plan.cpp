#include <fmt/format.h>
#include <onnx/shape_inference/implementation.h>
#include <onnx/version_converter/convert.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <ranges>
#include <unordered_map>
#include <unordered_set>

#include "kernels/error.h"
#include "models/onnx/attributes.h"
#include "models/onnx/check.h"
#include "models/onnx/convert.h"
#include "models/onnx/export.h"
#include "models/onnx/rewrite.h"
#include "models/onnx/write.h"
#include "models/op.h"

namespace mpsearch {
namespace {

using onnx::NodeProto;
using onnx::TensorProto;

constexpr int kBf16Opset = 13;   // Cast to BFLOAT16
constexpr int kFp8Opset = 19;    // QuantizeLinear to FLOAT8E4M3FN
constexpr int kMetadataIr = 10;  // NodeProto.metadata_props
constexpr double kFp8Largest = 448;
constexpr const char* kFp8Zero = "mpsearch.fp8_zero";

/// Which layer a node of the file belongs to, and which of its inputs are operands of a product.
struct NodeRole {
  const ExportedLayer* layer = nullptr;
  bool product = false;
  bool followed_by_bias = false;  // rounds only after the sum
  bool bias = false;              // that sum
};

/// Rewrites the nodes in order; `types` are the element types of the FLOAT model.
class TypedGraph {
 public:
  TypedGraph(onnx::ModelProto& model, std::unordered_map<std::string, int> types)
      : model_(model), graph_(*model.mutable_graph()), types_(std::move(types)) {
    for (const TensorProto& tensor : graph_.initializer()) initializers_[tensor.name()] = &tensor;
    for (const onnx::ValueInfoProto& output : graph_.output()) outputs_.insert(output.name());
    old_.Swap(graph_.mutable_node());
  }

  void rewrite(const std::unordered_map<std::string, NodeRole>& roles) {
    for (NodeProto& node : old_) {
      const auto found = roles.find(node.name());
      if (found == roles.end()) {
        copy(node);
      } else {
        add(node, found->second);
      }
    }
  }

  bool bf16 = false;
  bool fp8 = false;

 private:
  bool is_float(const std::string& name) const {
    const auto found = types_.find(name);
    return !name.empty() && found != types_.end() && found->second == TensorProto::FLOAT;
  }

  int stored(const std::string& name) const {
    const auto found = stored_.find(name);
    return found == stored_.end() ? static_cast<int>(TensorProto::FLOAT) : found->second;
  }

  NodeProto& node(const std::string& name, const std::string& op,
                  const std::vector<std::string>& inputs, const std::string& output) {
    NodeProto& added = *graph_.add_node();
    added.set_name(name);
    added.set_op_type(op);
    added.mutable_input()->Assign(inputs.begin(), inputs.end());
    added.add_output(output);
    return added;
  }

  void cast(const std::string& from, const std::string& to, int type) {
    onnx::AttributeProto& attribute = *node(to + ".cast", "Cast", {from}, to).add_attribute();
    attribute.set_name("to");
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(type);
  }

  /// A tensor's copy of type `to`, made once.
  std::string as(const std::string& name, int from, int to) {
    if (from == to) return name;
    const std::string copy = name + "@" + onnx_type_name(to);
    if (made_.insert(copy).second) cast(name, copy, to);
    return copy;
  }

  /// The tensor as FLOAT, with values that BFLOAT16 has.
  std::string rounded(const std::string& name) {
    return as(as(name, stored(name), TensorProto::BFLOAT16), TensorProto::BFLOAT16,
              TensorProto::FLOAT);
  }

  void float_scalar(const std::string& name, double value) {
    if (!made_.insert(name).second) return;
    TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(TensorProto::FLOAT);
    tensor.add_float_data(static_cast<float>(value));
  }

  void fp8_zero() {
    if (!made_.insert(kFp8Zero).second) return;
    TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(kFp8Zero);
    tensor.set_data_type(TensorProto::FLOAT8E4M3FN);
    tensor.set_raw_data(std::string(1, '\0'));
  }

  /// The scale of a constant: the power of two from which on its largest value fits.
  std::string constant_scale(const std::string& name, const TensorProto& tensor) {
    const std::string raw = raw_elements(tensor);
    double largest = 0;
    for (std::size_t i = 0; i < raw.size() / sizeof(float); ++i) {
      float value = 0;
      std::memcpy(&value, raw.data() + i * sizeof(float), sizeof(float));
      if (std::isfinite(value)) largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    const double scale = largest == 0 ? 1 : std::exp2(std::ceil(std::log2(largest / kFp8Largest)));
    float_scalar(name, scale);
    return name;
  }

  /// The same, computed when the model runs: 2^ceil(log2(max |x| / 448)).
  std::string computed_scale(const std::string& name, const std::string& x) {
    float_scalar("mpsearch.fp8_largest", kFp8Largest);
    float_scalar("mpsearch.least", 0x1p-100);
    float_scalar("mpsearch.log_2", std::log(2.0));
    float_scalar("mpsearch.two", 2);
    node(name + ".abs", "Abs", {x}, name + ".abs");
    onnx::AttributeProto& keep =
        *node(name + ".max", "ReduceMax", {name + ".abs"}, name + ".max").add_attribute();
    keep.set_name("keepdims");
    keep.set_type(onnx::AttributeProto::INT);
    keep.set_i(0);
    node(name + ".ratio", "Div", {name + ".max", "mpsearch.fp8_largest"}, name + ".ratio");
    node(name + ".least", "Max", {name + ".ratio", "mpsearch.least"}, name + ".least");
    node(name + ".log", "Log", {name + ".least"}, name + ".log");
    node(name + ".log2", "Div", {name + ".log", "mpsearch.log_2"}, name + ".log2");
    node(name + ".ceil", "Ceil", {name + ".log2"}, name + ".ceil");
    node(name + ".pow", "Pow", {"mpsearch.two", name + ".ceil"}, name);
    return name;
  }

  /// The tensor as FLOAT, with values that FLOAT8E4M3FN has at its scale.
  std::string quantized(const std::string& name) {
    fp8 = true;
    const std::string copy = name + "@FLOAT8E4M3FN";
    const std::string back = copy + ".value";
    if (!made_.insert(copy).second) return back;
    fp8_zero();
    const auto constant = initializers_.find(name);
    const std::string x = as(name, stored(name), TensorProto::FLOAT);
    const std::string scale = constant != initializers_.end()
                                  ? constant_scale(copy + ".scale", *constant->second)
                                  : computed_scale(copy + ".scale", x);
    node(copy + ".quantize", "QuantizeLinear", {x, scale, kFp8Zero}, copy);
    node(copy + ".dequantize", "DequantizeLinear", {copy, scale, kFp8Zero}, back);
    return back;
  }

  /// A node of no layer: reads and writes FLOAT.
  void copy(NodeProto& from) {
    for (std::string& input : *from.mutable_input()) {
      if (is_float(input)) input = as(input, stored(input), TensorProto::FLOAT);
    }
    graph_.add_node()->Swap(&from);
  }

  /// Name of the type variable of an operator's parameter, "T"; the last parameter repeats.
  static std::string type_variable(const std::vector<onnx::OpSchema::FormalParameter>& parameters,
                                   std::size_t index) {
    if (parameters.empty()) return {};
    return parameters[std::min(index, parameters.size() - 1)].GetTypeStr();
  }

  void add(NodeProto& from, const NodeRole& role) {
    const Precision precision = role.layer->precision;
    const LayerFormats formats = formats_of(precision);
    const bool half = precision == Precision::FP16;
    const onnx::OpSchema* schema =
        onnx::OpSchemaRegistry::Schema(from.op_type(), opset_of(model_), from.domain());
    require(schema != nullptr, ErrorKind::Internal, "no schema of " + from.op_type());
    const std::string variable = type_variable(schema->inputs(), 0);
    for (int i = 0; i < from.input_size(); ++i) {
      std::string& input = *from.mutable_input(i);
      if (!is_float(input)) continue;
      const bool main = type_variable(schema->inputs(), static_cast<std::size_t>(i)) == variable;
      const bool operand = role.product && i < 2;
      if (half && main) {
        input = as(input, stored(input), TensorProto::FLOAT16);
      } else if (operand && is_fp8(formats.operand)) {
        input = quantized(input);
      } else if (main && !role.bias && formats.carrier == DType::BF16 &&
                 (operand || carries(from, i))) {
        input = rounded(input);
      } else {
        input = as(input, stored(input), TensorProto::FLOAT);
      }
    }
    const bool later = role.followed_by_bias && !half;
    const int wanted = onnx_type_of(later ? DType::F32 : formats.carrier);
    const int computed =
        half ? static_cast<int>(TensorProto::FLOAT16) : static_cast<int>(TensorProto::FLOAT);
    std::vector<std::pair<std::string, std::string>> writes;  // tensor, as the node writes it
    for (int i = 0; i < from.output_size(); ++i) {
      std::string& output = *from.mutable_output(i);
      const bool main = type_variable(schema->outputs(), static_cast<std::size_t>(i)) == variable;
      if (!is_float(output) || !main) continue;
      const std::string name = output;
      if (computed != wanted || outputs_.contains(name)) {
        if (computed != TensorProto::FLOAT || wanted != TensorProto::FLOAT)
          output = name + ".written";
      }
      writes.emplace_back(name, output);
    }
    annotate(from, *role.layer);
    graph_.add_node()->Swap(&from);
    for (const auto& [name, written] : writes) store(name, written, computed, wanted);
  }

  /// Whether an input is an activation: biases and parameters of norms stay FLOAT.
  bool carries(const NodeProto& from, int input) const {
    if (from.op_type() == "BatchNormalization") return input == 0;
    if (from.op_type() == "Conv" || from.op_type() == "Gemm") return input < 2;
    return true;
  }

  /// Brings what a node wrote to where it is stored; outputs of the model stay FLOAT.
  void store(const std::string& name, const std::string& written, int computed, int wanted) {
    if (wanted == TensorProto::BFLOAT16) bf16 = true;
    if (written == name) {
      if (computed != TensorProto::FLOAT) stored_[name] = computed;
      return;
    }
    if (outputs_.contains(name)) {
      const std::string narrow = as(written, computed, wanted);
      cast(narrow, name, TensorProto::FLOAT);
    } else {
      cast(written, name, wanted);
      stored_[name] = wanted;
    }
  }

  static void annotate(NodeProto& node, const ExportedLayer& layer) {
    const auto add = [&](const char* key, std::string value) {
      onnx::StringStringEntryProto& entry = *node.add_metadata_props();
      entry.set_key(key);
      entry.set_value(std::move(value));
    };
    add("mpsearch.layer", layer.name);
    add("mpsearch.precision", std::string(name_of(layer.precision)));
    add("mpsearch.time_ms", fmt::format("{:.6g}", layer.ms));
    add("mpsearch.bytes", std::to_string(layer.bytes));
    add("mpsearch.sensitivity", fmt::format("{:.6g}", layer.sensitivity));
    add("mpsearch.reason", layer.reason);
  }

  onnx::ModelProto& model_;
  onnx::GraphProto& graph_;
  std::unordered_map<std::string, int> types_;
  std::unordered_map<std::string, int> stored_;  // FLOAT where absent
  std::unordered_map<std::string, const TensorProto*> initializers_;
  std::unordered_set<std::string> outputs_;
  std::unordered_set<std::string> made_;
  google::protobuf::RepeatedPtrField<NodeProto> old_;
};

/// Layers by the names of the file's nodes.
std::unordered_map<std::string, NodeRole> roles_of(const Conversion& conversion,
                                                   const onnx::GraphProto& graph,
                                                   std::span<const ExportedLayer> layers) {
  std::unordered_map<std::string, const ExportedLayer*> by_name;
  for (const ExportedLayer& layer : layers) by_name[layer.name] = &layer;
  std::unordered_map<std::string, NodeRole> roles;
  const Graph& canonical = conversion.model.graph;
  for (std::size_t i = 0; i < canonical.nodes.size(); ++i) {
    const int origin = conversion.origin[i];
    if (origin == kNone || canonical.nodes[i].layer == kNone) continue;
    const std::string& layer =
        canonical.layers[static_cast<std::size_t>(canonical.nodes[i].layer)].name;
    const auto found = by_name.find(layer);
    if (found == by_name.end()) {
      throw Error(ErrorKind::BadContent, {.what = "the plan has no layer '" + layer + "'",
                                          .at = "node '" + canonical.nodes[i].name + "'",
                                          .why = "it was made for another model",
                                          .try_ = "plan again for this model"});
    }
    const NodeProto& node = graph.node(origin);
    NodeRole& role = roles[node_label(node, origin)];
    role.layer = found->second;
    role.product = role.product || canonical.nodes[i].op->compute;
  }
  for (const auto& [node, into] : std::views::reverse(conversion.absorbed)) {
    roles[node_label(graph.node(node), node)].layer =
        roles[node_label(graph.node(into), into)].layer;
  }
  for (const auto& [sum, product] : conversion.biases) {
    NodeRole& role = roles[node_label(graph.node(product), product)];
    role.followed_by_bias = true;
    roles[node_label(graph.node(sum), sum)] = {role.layer, false, false, true};
  }
  return roles;
}

std::unordered_map<std::string, int> element_types(const onnx::ModelProto& model) {
  onnx::ModelProto inferred = model;
  onnx::shape_inference::InferShapes(inferred, onnx::OpSchemaRegistry::Instance(),
                                     onnx::ShapeInferenceOptions(false, 0, false));
  std::unordered_map<std::string, int> types;
  const onnx::GraphProto& graph = inferred.graph();
  for (const auto* infos : {&graph.input(), &graph.value_info(), &graph.output()}) {
    for (const onnx::ValueInfoProto& info : *infos)
      types[info.name()] = info.type().tensor_type().elem_type();
  }
  for (const TensorProto& tensor : graph.initializer()) types[tensor.name()] = tensor.data_type();
  return types;
}

void require_float_model(const std::unordered_map<std::string, int>& types,
                         const onnx::GraphProto& graph) {
  for (const auto& [name, type] : types) {
    if (!onnx_is_float(type) || type == TensorProto::FLOAT) continue;
    throw Error(ErrorKind::BadContent, {.what = "only a FLOAT model can be written with a plan",
                                        .at = "tensor '" + name + "'",
                                        .why = "it is " + onnx_type_name(type),
                                        .try_ = "export the model in FLOAT"});
  }
  for (const NodeProto& node : graph.node()) {
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      require(!attribute.has_g() && attribute.graphs_size() == 0, ErrorKind::BadContent,
              "node '" + node.name() + "' has branches: not written with a plan");
    }
  }
}

/// What the formats of the plan need.
int least_opset(std::span<const ExportedLayer> layers) {
  int least = 0;
  for (const ExportedLayer& layer : layers) {
    if (layer.precision == Precision::FP8) least = std::max(least, kFp8Opset);
    if (layer.precision == Precision::BF16) least = std::max(least, kBf16Opset);
  }
  return least;
}

void raise_opset(onnx::ModelProto& model, int least) {
  if (opset_of(model) >= least) return;
  try {
    model = onnx::version_conversion::ConvertVersion(model, least);
  } catch (const std::exception& error) {
    throw Error(
        ErrorKind::BadContent,
        {.what = fmt::format("the plan needs opset {}, and the model cannot be converted", least),
         .at = {},
         .why = error.what(),
         .try_ = fmt::format("export the model with opset_version={}", least)});
  }
}

}  // namespace

std::vector<std::string> export_plan(const std::filesystem::path& original,
                                     const ImportOptions& options,
                                     std::span<const ExportedLayer> layers,
                                     const TrainedValues& values, const FileMetadata& metadata,
                                     const std::filesystem::path& path) {
  ModelFile file = open_model(original);
  check_and_expand(file);
  expand_operators(file.proto);
  const InputSizes sizes = input_sizes(file, options);
  infer_shapes(file, sizes);
  const Conversion conversion = convert(file, sizes, options, false);
  require(conversion.unsupported.empty(), ErrorKind::BadContent, "the model cannot be trained");
  const std::unordered_map<std::string, NodeRole> roles =
      roles_of(conversion, file.proto.graph(), layers);

  onnx::ModelProto model = rebuilt(original, values);
  expand_operators(model);
  raise_opset(model, least_opset(layers));
  set_metadata(model, metadata);
  model.set_ir_version(std::max<std::int64_t>(model.ir_version(), kMetadataIr));
  model.mutable_graph()->clear_value_info();
  std::unordered_map<std::string, int> types = element_types(model);
  require_float_model(types, model.graph());
  TypedGraph typed(model, std::move(types));
  typed.rewrite(roles);
  write_model(model, path);
  std::vector<std::string> notes;
  if (typed.bf16) {
    notes.emplace_back(
        "BF16 nodes compute in FLOAT on operands rounded to BFLOAT16: ONNX Runtime has no "
        "BFLOAT16 kernels on CPUs");
  }
  if (typed.fp8) {
    notes.emplace_back("FP8 activations are scaled by their largest value when the model runs");
  }
  return notes;
}

}  // namespace mpsearch
