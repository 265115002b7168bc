#include "models/onnx/import.h"

#include <fmt/format.h>

#include "kernels/error.h"
#include "models/onnx/check.h"
#include "models/onnx/convert.h"

namespace mpsearch {
namespace {

/// A file that was opened, checked and converted.
Conversion converted(ModelFile& file, const ImportOptions& options, bool load_weights) {
  check_and_expand(file);
  expand_operators(file.proto);
  const InputSizes sizes = input_sizes(file, options);
  share_rows(file, sizes.written_batch);
  const std::string complaint = infer_shapes(file, sizes);
  Conversion conversion = convert(file, sizes, options, load_weights);
  std::vector<std::string>& notes = conversion.model.notes;
  notes.insert(notes.begin(), file.notes.begin(), file.notes.end());
  if (conversion.unsupported.empty() && !complaint.empty()) {
    throw Error(ErrorKind::BadContent,
                {.what = "the shapes of '" + file.path.string() + "' contradict each other",
                 .at = file.path.string(),
                 .why = complaint,
                 .try_ = "export the model again, or check --input"});
  }
  return conversion;
}

/// Of several outputs, those that none of the missing operators leads to.
std::vector<std::string> outputs_apart(const std::filesystem::path& path,
                                       const ImportOptions& options) {
  std::vector<std::string> apart;
  const ModelFile whole = open_model(path);
  const auto& outputs = whole.proto.graph().output();
  for (const onnx::ValueInfoProto& output : outputs) {
    if (outputs.size() < 2 || !onnx_trains(output.type().tensor_type().elem_type())) continue;
    ModelFile file = open_model(path);
    ImportOptions alone = options;
    alone.outputs = {output.name()};
    if (converted(file, alone, false).unsupported.empty()) apart.push_back(output.name());
  }
  return apart;
}

[[noreturn]] void refuse(const ModelFile& file, const std::vector<Unsupported>& unsupported,
                         const std::vector<std::string>& apart) {
  std::int64_t nodes = 0;
  std::string table;
  for (const Unsupported& entry : unsupported) {
    nodes += entry.count;
    table += fmt::format("\n  {:<24} {:>5}  first '{}': {}", entry.op, entry.count,
                         entry.first_node, entry.why);
  }
  const bool typed = std::ranges::any_of(file.proto.metadata_props(), [](const auto& entry) {
    return entry.key() == "mpsearch.plan";
  });
  if (typed) {
    throw Error(ErrorKind::BadContent,
                {.what = "a typed export is for other runtimes: it can be neither trained nor "
                         "evaluated here",
                 .at = file.path.string(),
                 .why = "operator, count, first node:" + table,
                 .try_ = "run it with ONNX Runtime; here, the file that it was exported from, with "
                         "--plan"});
  }
  throw Error(ErrorKind::BadContent,
              {.what = fmt::format("{} of {} nodes use {} operators that cannot be trained", nodes,
                                   file.proto.graph().node_size(), unsupported.size()),
               .at = file.path.string(),
               .why = "operator, count, first node:" + table,
               .try_ = (apart.empty() ? ""
                                      : "--loss '" + apart.front() +
                                            "=KIND': that output needs none of them; ") +
                       "mpsearch ops lists what can be trained, and evaluated"});
}

std::string producer_of(const onnx::ModelProto& model) {
  return model.producer_name() + (model.producer_version().empty() ? "" : " ") +
         model.producer_version();
}

NamedShape described(const onnx::ValueInfoProto& info) {
  NamedShape shape{info.name(), onnx_type_name(info.type().tensor_type().elem_type()), {}};
  if (!info.type().tensor_type().has_shape()) shape.shape = {"?"};
  for (const auto& dim : info.type().tensor_type().shape().dim()) {
    shape.shape.push_back(dim.has_dim_value()   ? std::to_string(dim.dim_value())
                          : dim.has_dim_param() ? dim.dim_param()
                                                : "?");
  }
  return shape;
}

/// What the file says of itself, before anything is fixed or inferred.
ModelSummary described(const ModelFile& file) {
  const onnx::ModelProto& model = file.proto;
  ModelSummary summary;
  summary.ir = model.ir_version();
  for (const onnx::OperatorSetIdProto& opset : model.opset_import()) {
    summary.opsets[opset.domain().empty() ? "ai.onnx" : opset.domain()] = opset.version();
  }
  summary.producer = producer_of(model);
  summary.nodes = model.graph().node_size();
  for (const onnx::NodeProto& node : model.graph().node()) ++summary.nodes_by_op[node.op_type()];
  for (const onnx::ValueInfoProto* input : file.data_inputs())
    summary.inputs.push_back(described(*input));
  for (const onnx::ValueInfoProto& output : model.graph().output()) {
    summary.outputs.push_back(described(output));
  }
  return summary;
}

/// Why a readable model cannot be trained all the same.
std::vector<std::string> lacks_of(const Model& model) {
  const Graph& graph = model.graph;
  std::vector<std::string> lacks;
  if (graph.inputs.empty()) lacks.emplace_back("it cannot be trained: it has no input");
  if (graph.outputs.empty()) lacks.emplace_back("it cannot be trained: it has no output");
  for (const ValueId id : graph.inputs) {
    const Value& input = graph.value(id);
    const Shape& shape = input.type.shape;
    const bool samples = !shape.empty() && shape[0] == model.batch;
    const std::string lack = input.type.elements() == 0 ? "has no elements"
                             : !samples                 ? "does not begin with the batch"
                                                        : "";
    if (lack.empty()) continue;
    lacks.push_back(fmt::format("it cannot be trained at this size: input '{}' of shape {} {}",
                                input.name, to_string(shape), lack));
  }
  return lacks;
}

std::vector<LayerSummary> layers_of(const Graph& graph) {
  std::vector<LayerSummary> layers;
  for (const Layer& layer : graph.layers) layers.push_back({layer.name, layer.op, {}, 0});
  std::vector<bool> counted(graph.values.size(), false);
  for (const Node& node : graph.nodes) {
    if (node.layer == kNone) continue;
    LayerSummary& layer = layers[static_cast<std::size_t>(node.layer)];
    layer.output = graph.value(node.outputs[0]).type.shape;
    for (const ValueId input : node.inputs) {
      const ValueId root = graph.root(input);
      const Value& value = graph.value(root);
      if (value.kind != ValueKind::Parameter || counted[static_cast<std::size_t>(root)]) continue;
      counted[static_cast<std::size_t>(root)] = true;
      layer.parameters += value.type.elements();
    }
  }
  return layers;
}

}  // namespace

Model import_model(const std::filesystem::path& path, const ImportOptions& options) {
  ModelFile file = open_model(path);
  const std::string sha256 = sha256_of(file);
  Conversion conversion = converted(file, options, true);
  if (!conversion.unsupported.empty()) {
    refuse(file, conversion.unsupported, outputs_apart(path, options));
  }
  conversion.model.name = path.filename().string();
  conversion.model.sha256 = sha256;
  for (const onnx::StringStringEntryProto& entry : file.proto.metadata_props()) {
    conversion.model.metadata[entry.key()] = entry.value();
  }
  return std::move(conversion.model);
}

ModelSummary summarize_model(const std::filesystem::path& path, const ImportOptions& options) {
  ModelFile file = open_model(path);
  ModelSummary summary = described(file);
  const Conversion conversion = converted(file, options, false);
  for (const Initializer& initializer : file.initializers) {  // with what were constant nodes
    if (onnx_is_float(initializer.type)) summary.parameters += elements_of(initializer.shape);
  }
  summary.unsupported = conversion.unsupported;
  summary.supported = conversion.unsupported.empty();
  summary.notes = conversion.model.notes;
  if (summary.supported) {
    for (const std::string& lack : lacks_of(conversion.model)) summary.notes.push_back(lack);
    summary.layers = layers_of(conversion.model.graph);
  } else {
    for (const std::string& output : outputs_apart(path, options)) {
      summary.notes.push_back("output '" + output +
                              "' needs none of the operators that are missing: --loss '" + output +
                              "=KIND' trains it alone");
    }
  }
  for (const Value& value : conversion.model.graph.values) {
    if (summary.supported && value.kind == ValueKind::Parameter) {
      summary.trainable_parameters += value.type.elements();
    }
  }
  return summary;
}

}  // namespace mpsearch
