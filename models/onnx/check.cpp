#include "models/onnx/check.h"

#include <fmt/format.h>
#include <onnx/checker.h>
#include <onnx/inliner/inliner.h>
#include <onnx/shape_inference/implementation.h>
#include <onnx/version_converter/convert.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "kernels/error.h"

namespace mpsearch {
namespace {

constexpr int kOldestIr = 3;
constexpr int kNewestIr = 14;
constexpr int kOldestOpset = 6;  // older ones are converted
constexpr int kNewestOpset = 28;
constexpr std::int64_t kDefaultBatch = 32;

[[noreturn]] void bad_model(const ModelFile& file, std::string what, std::string why,
                            std::string try_) {
  throw Error(ErrorKind::BadContent,
              {std::move(what), file.path.string(), std::move(why), std::move(try_)});
}

/// ONNX's messages span lines; ours are one line each.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return line;
}

void check_versions(const ModelFile& file) {
  const std::int64_t ir = file.proto.ir_version();
  if (ir < kOldestIr || ir > kNewestIr) {
    bad_model(file, fmt::format("IR version {} is not known", ir),
              fmt::format("{} to {} can be read", kOldestIr, kNewestIr),
              ir > kNewestIr ? "export the model with an older opset, e.g. opset_version=20" : "");
  }
  const int opset = opset_of(file.proto);
  if (opset < 1 || opset > kNewestOpset) {
    bad_model(file,
              opset < 1 ? "the file names no opset" : fmt::format("opset {} is not known", opset),
              fmt::format("1 to {} can be read", kNewestOpset),
              "export the model with an older opset, e.g. opset_version=20");
  }
}

/// Says which nodes, where ONNX's checker names the tensor alone.
void check_written_once(const ModelFile& file) {
  std::unordered_map<std::string, std::string> writers;
  const onnx::GraphProto& graph = file.proto.graph();
  for (int i = 0; i < graph.node_size(); ++i) {
    const std::string label = node_label(graph.node(i), i);
    for (const std::string& output : graph.node(i).output()) {
      const auto [writer, first] = writers.emplace(output, label);
      if (first || output.empty()) continue;
      bad_model(file,
                fmt::format("nodes '{}' and '{}' both write '{}'", writer->second, label, output),
                "each value is written once", "export the model again");
    }
  }
}

/// ONNX's checker lets outputs through that have one name; runtimes refuse them.
void check_listed_once(const ModelFile& file) {
  const auto check = [&](const auto& infos, const std::string& kind) {
    std::unordered_set<std::string> names;
    for (const onnx::ValueInfoProto& info : infos) {
      if (names.insert(info.name()).second) continue;
      bad_model(file, kind + " '" + info.name() + "' is listed twice",
                "the names of a graph's inputs, and those of its outputs, are distinct",
                "export the model again, an Identity node before one of the two");
    }
  };
  check(file.proto.graph().input(), "input");
  check(file.proto.graph().output(), "output");
}

/// The checker wants a shape of every output; runtimes do without, and so do we.
void check_with_onnx(ModelFile& file) {
  std::vector<onnx::TypeProto_Tensor*> open;
  for (onnx::ValueInfoProto& output : *file.proto.mutable_graph()->mutable_output()) {
    if (!output.type().has_tensor_type() || output.type().tensor_type().has_shape()) continue;
    open.push_back(output.mutable_type()->mutable_tensor_type());
    open.back()->mutable_shape();
  }
  try {
    onnx::checker::check_model(file.proto);
  } catch (const std::exception& error) {
    bad_model(file, "'" + file.path.string() + "' is not a valid ONNX model",
              one_line(error.what()), "export the model again");
  }
  for (onnx::TypeProto_Tensor* type : open) type->clear_shape();
}

void convert_opset(ModelFile& file) {
  const int opset = opset_of(file.proto);
  if (opset >= kOldestOpset) return;
  try {
    file.proto = onnx::version_conversion::ConvertVersion(file.proto, kOldestOpset + 1);
  } catch (const std::exception& error) {
    bad_model(file, fmt::format("opset {} cannot be converted to {}", opset, kOldestOpset + 1),
              one_line(error.what()), "export the model with a newer opset");
  }
}

/// Before anything moves them: the names that layers and messages use.
void name_nodes(onnx::GraphProto& graph) {
  for (int i = 0; i < graph.node_size(); ++i) {
    graph.mutable_node(i)->set_name(node_label(graph.node(i), i));
  }
}

void expand_functions(ModelFile& file) {
  if (file.proto.functions_size() == 0) return;
  try {
    onnx::inliner::InlineLocalFunctions(file.proto, /*convert_version=*/true);
  } catch (const std::exception& error) {
    bad_model(file, "the model's functions cannot be expanded", one_line(error.what()),
              "export the model again");
  }
}

using Dim = onnx::TensorShapeProto_Dimension;

/// Some exporters write -1 for a size that they do not know.
bool fixed(const Dim& dim) { return dim.has_dim_value() && dim.dim_value() > 0; }

/// Finds sizes for the symbols of the data inputs.
class SizeFinder {
 public:
  SizeFinder(const ModelFile& file, const ImportOptions& options)
      : file_(file), options_(options), inputs_(file.data_inputs()) {}

  InputSizes find() {
    check_names();
    find_symbols();
    for (const onnx::ValueInfoProto* input : inputs_) add(*input);
    check_batch();
    return std::move(sizes_);
  }

 private:
  const Shape* asked(const std::string& name) const {
    for (const auto& [input, shape] : options_.inputs) {
      if (input == name) return &shape;
    }
    return nullptr;
  }

  static const onnx::TensorShapeProto& dims_of(const onnx::ValueInfoProto& input) {
    return input.type().tensor_type().shape();
  }

  void check_names() {
    std::string names;
    for (const onnx::ValueInfoProto* input : inputs_) {
      names += (names.empty() ? "" : ", ") + input->name();
      if (!input->type().has_tensor_type()) {
        bad_model(file_, "input '" + input->name() + "' is a sequence, a map or optional",
                  "inputs are tensors", "export the model with tensors as inputs");
      }
      if (!input->type().tensor_type().has_shape()) {
        bad_model(file_, "input '" + input->name() + "' has no shape",
                  "training needs fixed shapes", "export the model with shapes");
      }
    }
    for (const auto& [name, shape] : options_.inputs) {
      const auto matches = [&](const onnx::ValueInfoProto* input) { return input->name() == name; };
      const auto found = std::find_if(inputs_.begin(), inputs_.end(), matches);
      if (found == inputs_.end()) {
        throw Error(ErrorKind::Usage, {.what = "--input " + name + ": the model has no such input",
                                       .at = file_.path.string(),
                                       .why = "its inputs are: " + names,
                                       .try_ = {}});
      }
      const int rank = dims_of(**found).dim_size();
      if (static_cast<int>(shape.size()) != rank) {
        throw Error(ErrorKind::Usage,
                    {.what = fmt::format("--input {}: {} dimensions given, it has {}", name,
                                         shape.size(), rank),
                     .at = file_.path.string(),
                     .why = {},
                     .try_ = {}});
      }
      for (const std::int64_t size : shape) {
        require(size > 0, ErrorKind::Usage, "--input " + name + ": sizes must be positive");
      }
    }
  }

  /// Symbols from --input first, then the batch from --batch or the default.
  void find_symbols() {
    for (const onnx::ValueInfoProto* input : inputs_) {
      const Shape* shape = asked(input->name());
      if (shape == nullptr) continue;
      for (int i = 0; i < dims_of(*input).dim_size(); ++i) {
        const Dim& dim = dims_of(*input).dim(i);
        if (dim.has_dim_param()) symbols_[dim.dim_param()] = (*shape)[static_cast<std::size_t>(i)];
      }
      if (!shape->empty() && sizes_.batch == 0) sizes_.batch = (*shape)[0];
    }
    if (options_.batch > 0 && sizes_.batch > 0 && options_.batch != sizes_.batch) {
      throw Error(ErrorKind::Usage,
                  fmt::format("--batch {} and --input disagree: {}", options_.batch, sizes_.batch));
    }
    if (options_.batch > 0) sizes_.batch = options_.batch;
    // Beside an open first dimension a fixed one is no batch (the state of a recurrent layer).
    const bool open = std::ranges::any_of(inputs_, [](const onnx::ValueInfoProto* input) {
      return dims_of(*input).dim_size() > 0 && !dims_of(*input).dim(0).has_dim_value();
    });
    for (const onnx::ValueInfoProto* input : inputs_) {
      if (open || dims_of(*input).dim_size() == 0) continue;
      const Dim& dim = dims_of(*input).dim(0);
      if (sizes_.written_batch == 0 && fixed(dim)) sizes_.written_batch = dim.dim_value();
    }
    if (sizes_.batch == 0)
      sizes_.batch = sizes_.written_batch > 0 ? sizes_.written_batch : kDefaultBatch;
    if (sizes_.written_batch == 0) sizes_.written_batch = sizes_.batch;
    for (const onnx::ValueInfoProto* input : inputs_) {
      if (dims_of(*input).dim_size() == 0) continue;
      const Dim& dim = dims_of(*input).dim(0);
      if (dim.has_dim_param()) symbols_.emplace(dim.dim_param(), sizes_.batch);
    }
  }

  void add(const onnx::ValueInfoProto& input) {
    const Shape* shape = asked(input.name());
    Shape wanted;
    Shape written;
    for (int i = 0; i < dims_of(input).dim_size(); ++i) {
      const Dim& dim = dims_of(input).dim(i);
      const auto index = static_cast<std::size_t>(i);
      const bool is_batch = i == 0 && fixed(dim) && dim.dim_value() == sizes_.written_batch;
      std::int64_t size = is_batch ? sizes_.batch : 0;
      if (shape != nullptr) size = (*shape)[index];
      const bool empty = dim.has_dim_value() && dim.dim_value() == 0;
      if (size == 0 && empty && !(i == 0 && options_.batch > 0)) empty_dimension(input, i);
      if (size == 0 && fixed(dim)) size = dim.dim_value();
      if (size == 0 && dim.has_dim_param() && symbols_.contains(dim.dim_param())) {
        size = symbols_.at(dim.dim_param());
      }
      if (size == 0 && i == 0 && !fixed(dim)) size = sizes_.batch;
      if (size <= 0) open_dimension(input, i);
      wanted.push_back(size);
      written.push_back(fixed(dim) ? dim.dim_value() : size);
    }
    sizes_.shapes.emplace_back(input.name(), std::move(wanted));
    sizes_.written.emplace_back(input.name(), std::move(written));
  }

  /// An --input option with all that is known.
  std::string example_of(const onnx::ValueInfoProto& input) const {
    std::string example;
    for (int i = 0; i < dims_of(input).dim_size(); ++i) {
      const Dim& dim = dims_of(input).dim(i);
      example += i == 0 ? "" : ",";
      example += fixed(dim) ? std::to_string(dim.dim_value())
                 : i == 0   ? std::to_string(sizes_.batch)
                            : "SIZE";
    }
    return "--input " + input.name() + "=" + example;
  }

  [[noreturn]] void empty_dimension(const onnx::ValueInfoProto& input, int index) const {
    bad_model(file_,
              fmt::format("dimension {} of input '{}' has size 0 in the file", index, input.name()),
              "nothing can be learned from no elements (some exporters write 0 for \"any size\")",
              example_of(input));
  }

  [[noreturn]] void open_dimension(const onnx::ValueInfoProto& input, int index) const {
    const std::string symbol = dims_of(input).dim(index).dim_param();
    throw Error(
        ErrorKind::Usage,
        {.what = fmt::format("dimension {} of input '{}' has no fixed size", index, input.name()),
         .at = file_.path.string(),
         .why = symbol.empty() ? "the file leaves it open" : "the file calls it '" + symbol + "'",
         .try_ = example_of(input)});
  }

  void check_batch() const {
    require(sizes_.batch <= 1 << 24, ErrorKind::Usage, "the batch is larger than 2^24");
    for (const auto& [name, shape] : sizes_.shapes) elements_of(shape);
  }

  const ModelFile& file_;
  const ImportOptions& options_;
  std::vector<const onnx::ValueInfoProto*> inputs_;
  std::map<std::string, std::int64_t> symbols_;
  InputSizes sizes_;
};

/// Replaces a symbol by its size wherever the file writes it.
void replace_symbols(google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& infos,
                     const std::map<std::string, std::int64_t>& symbols) {
  for (onnx::ValueInfoProto& info : infos) {
    if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape()) continue;
    for (Dim& dim : *info.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()) {
      const auto found = symbols.find(dim.dim_param());
      if (dim.has_dim_value() && !fixed(dim)) dim.clear_value();
      if (!dim.has_dim_param() || found == symbols.end()) continue;
      if (found->second > 0) {
        dim.set_dim_value(found->second);
      } else {
        dim.clear_value();
      }
    }
  }
}

}  // namespace

int opset_of(const onnx::ModelProto& model) {
  for (const onnx::OperatorSetIdProto& opset : model.opset_import()) {
    if (opset.domain().empty() || opset.domain() == "ai.onnx") {
      return static_cast<int>(std::clamp<std::int64_t>(opset.version(), 0, kNewestOpset + 1));
    }
  }
  return 0;
}

void check_and_expand(ModelFile& file) {
  check_versions(file);
  check_written_once(file);
  check_listed_once(file);
  check_with_onnx(file);
  name_nodes(*file.proto.mutable_graph());
  expand_functions(file);
  lift_weights(file);
  separate_merged(file);
  remove_sequences(*file.proto.mutable_graph());
  convert_opset(file);
}

InputSizes input_sizes(const ModelFile& file, const ImportOptions& options) {
  require(options.batch >= 0, ErrorKind::Usage, "--batch must be positive");
  return SizeFinder(file, options).find();
}

std::string infer_shapes(ModelFile& file, const InputSizes& sizes) {
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  std::map<std::string, Shape> written(sizes.written.begin(), sizes.written.end());
  std::map<std::string, std::int64_t> symbols;
  for (onnx::ValueInfoProto& input : *graph.mutable_input()) {
    const auto found = written.find(input.name());
    if (found == written.end()) continue;
    onnx::TensorShapeProto& shape = *input.mutable_type()->mutable_tensor_type()->mutable_shape();
    for (int i = 0; i < shape.dim_size(); ++i) {
      const std::int64_t size = found->second[static_cast<std::size_t>(i)];
      if (shape.dim(i).has_dim_param()) {
        const auto [entry, added] = symbols.emplace(shape.dim(i).dim_param(), size);
        if (!added && entry->second != size) entry->second = 0;  // one name for different sizes
      }
      shape.mutable_dim(i)->set_dim_value(size);
    }
  }
  replace_symbols(*graph.mutable_value_info(), symbols);
  replace_symbols(*graph.mutable_output(), symbols);
  // Without ONNX's data propagation, which unrolls every vector that meets an Add into one message
  // an element: folding (convert.h) carries shapes through exactly. Without its type check, which
  // refuses the integer constants that PyTorch wrote before opset 9.
  const auto infer = [&](int error_mode) -> std::string {
    try {
      onnx::shape_inference::InferShapes(file.proto, onnx::OpSchemaRegistry::Instance(),
                                         onnx::ShapeInferenceOptions(false, error_mode, false));
    } catch (const std::exception& error) {
      return one_line(error.what());
    }
    return {};
  };
  const std::string complaint = infer(1);
  if (!complaint.empty()) infer(0);
  return complaint;
}

}  // namespace mpsearch
