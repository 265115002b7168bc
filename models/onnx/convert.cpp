#include "models/onnx/convert.h"

#include <algorithm>
#include <array>
#include <optional>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/onnx/finish.h"
#include "models/onnx/fold.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using onnx::GraphProto;
using onnx::NodeProto;

constexpr std::array<std::string_view, 10> kMovers{"Identity", "Cast",    "CastLike",  "Transpose",
                                                   "Reshape",  "Squeeze", "Unsqueeze", "Flatten",
                                                   "Expand",   "Slice"};

constexpr int kMostMoves = 64;  // what looks through movers recurses

void add_uses(const NodeProto& node, std::unordered_set<std::string>& used) {
  used.insert(node.input().begin(), node.input().end());
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (!attribute.has_g()) continue;
    for (const NodeProto& inner : attribute.g().node()) add_uses(inner, used);
    for (const onnx::ValueInfoProto& output : attribute.g().output()) used.insert(output.name());
  }
}

bool standard(const NodeProto& node) { return node.domain().empty() || node.domain() == "ai.onnx"; }

class Walk {
 public:
  Walk(const ModelFile& file, const InputSizes& sizes, const ImportOptions& options,
       bool load_weights)
      : scope(file, options, load_weights), sizes_(sizes), wanted_(options.outputs) {
    scope.model.batch = sizes.batch;
    read_inferred();
  }

  void run(const std::vector<std::pair<std::string, Shape>>& inputs) {
    const GraphProto& graph = scope.file.proto.graph();
    keep_outputs(graph);
    find_uses(graph);
    for (const auto& [name, shape] : inputs) add_input(name, shape);
    for (int i = 0; i < graph.node_size(); ++i) {
      if (live_[static_cast<std::size_t>(i)]) guarded(graph.node(i), i);
    }
    if (!unsupported.empty()) return;
    for (const std::string& name : outputs_) {
      scope.model.graph.outputs.push_back(scope.value(name, false));
      scope.model.output_names.push_back(name);
    }
    if (scope.written == nullptr) compare_with_inferred();
  }

  Scope scope;
  std::vector<Unsupported> unsupported;

 private:
  void read_inferred() {
    const GraphProto& graph = scope.file.proto.graph();
    const auto add = [&](const onnx::ValueInfoProto& info) {
      if (info.type().has_tensor_type()) inferred_[info.name()] = &info.type().tensor_type();
    };
    for (const onnx::ValueInfoProto& info : graph.value_info()) add(info);
    for (const onnx::ValueInfoProto& info : graph.output()) add(info);
  }

  /// The outputs that were asked for.
  void keep_outputs(const GraphProto& graph) {
    std::vector<std::string> names;
    for (const onnx::ValueInfoProto& output : graph.output()) names.push_back(output.name());
    if (wanted_.empty()) outputs_ = names;
    for (const std::string& name : wanted_) {
      const bool first = name.empty();
      if (first && names.empty()) continue;
      if (!first && std::ranges::find(names, name) == names.end()) {
        throw Error(ErrorKind::Usage, {.what = "the model has no output '" + name + "'",
                                       .at = scope.file.path.string(),
                                       .why = did_you_mean(name, names),
                                       .try_ = "mpsearch inspect shows the outputs"});
      }
      outputs_.push_back(first ? names[0] : name);
    }
  }

  void find_uses(const GraphProto& graph) {
    used_.insert(outputs_.begin(), outputs_.end());
    live_.assign(static_cast<std::size_t>(graph.node_size()), false);
    for (int i = graph.node_size() - 1; i >= 0; --i) {
      const auto& outputs = graph.node(i).output();
      const bool live = std::any_of(outputs.begin(), outputs.end(),
                                    [&](const std::string& name) { return used_.contains(name); });
      live_[static_cast<std::size_t>(i)] = live;
      if (live) add_uses(graph.node(i), used_);
    }
  }

  /// An integer input that is only cast to floats is an F32 input: the host converts it.
  bool only_cast_to_float(const std::string& name) const {
    for (const NodeProto& node : scope.file.proto.graph().node()) {
      if (std::find(node.input().begin(), node.input().end(), name) == node.input().end()) continue;
      const bool to_float =
          node.op_type() == "Cast" && onnx_is_float(static_cast<int>(integer_of(node, "to", 0)));
      if (!to_float) return false;
    }
    return true;
  }

  void add_input(const std::string& name, const Shape& shape) {
    int type = 0;
    for (const onnx::ValueInfoProto& input : scope.file.proto.graph().input()) {
      if (input.name() == name) type = input.type().tensor_type().elem_type();
    }
    const bool as_float =
        onnx_is_float(type) || (onnx_is_integer(type) && only_cast_to_float(name));
    if (!as_float && !onnx_is_integer(type)) {
      throw Error(ErrorKind::BadContent,
                  {.what = "input '" + name + "' has type " + onnx_type_name(type),
                   .at = scope.file.path.string(),
                   .why = "inputs are floats, integers or BOOL",
                   .try_ = {}});
    }
    Value value;
    value.name = scope.unique_name(name);
    // The host converts whatever integers the data hold.
    value.type = {shape, {as_float ? DType::F32 : DType::I64, Layout::RowMajor}};
    value.kind = ValueKind::Input;
    const ValueId id = scope.model.graph.add_value(std::move(value));
    scope.model.graph.inputs.push_back(id);
    scope.define_value(name, id, as_float ? onnx::TensorProto::FLOAT : type);
  }

  void declare_outputs(const NodeProto& node) {
    for (const std::string& name : node.output()) {
      if (name.empty() || !used_.contains(name)) continue;
      Symbol symbol{.unknown = true};
      const auto found = inferred_.find(name);
      if (found != inferred_.end()) {
        symbol.type = found->second->elem_type();
        symbol.shaped = found->second->has_shape();
        for (const auto& dim : found->second->shape().dim()) {
          symbol.shaped = symbol.shaped && dim.has_dim_value();
          symbol.shape.push_back(dim.dim_value());
        }
      }
      scope.define(name, std::move(symbol));
    }
  }

  void guarded(const NodeProto& node, int index) {
    declare_outputs(node);
    try {
      convert(node, index);
    } catch (const Refusal& refusal) {
      if (!refusal.why.empty()) report(node, index, refusal.why);
    } catch (const Error& error) {
      const bool placed = error.text().at.starts_with(scope.file.path.string());  // in a branch
      if (error.kind() != ErrorKind::BadContent || placed) throw;
      bad_node(node, index, error.text().what);
    } catch (const std::out_of_range&) {
      bad_node(node, index, "a constant input has too few elements");
    }
  }

  [[noreturn]] void bad_node(const NodeProto& node, int index, const std::string& what) const {
    const bool rewritten = sizes_.rewritten();
    const std::string written = std::to_string(sizes_.written_batch);
    throw Error(
        ErrorKind::BadContent,
        {.what = "node '" + node_label(node, index) + "' (" + node.op_type() + "): " + what,
         .at = scope.file.path.string() + ", node '" + node_label(node, index) + "'",
         .why = rewritten ? "the file was written for batch " + written +
                                ", and this node does not follow another one"
                          : "",
         .try_ = rewritten ? "--batch " + written + ", or export with a dynamic batch" : ""});
  }

  void report(const NodeProto& node, int index, const std::string& why) {
    const std::string op = standard(node) ? node.op_type() : node.domain() + "." + node.op_type();
    for (Unsupported& entry : unsupported) {
      if (entry.op == op && entry.why == why) {
        ++entry.count;
        return;
      }
    }
    unsupported.push_back({op, 1, node_label(node, index), why});
  }

  bool at_import(const std::string& name) const {
    const Symbol* symbol = scope.find(name);
    return name.empty() || (symbol != nullptr && symbol->at_import());
  }

  void convert(const NodeProto& node, int index) {
    if (!standard(node)) return report(node, index, "an operator of another domain");
    if (node.op_type() == "Constant")
      return scope.define_constant(node.output(0), constant_of(node));
    if (node.op_type() == "If") return resolve_if(node, index);
    if (fold_shape(node) || move_weight(node) || fold_constants(node)) return;
    const OpRow* row = row_of(node);
    if (row != nullptr) {
      try {
        NodeCall call(scope, node, index);
        return row->convert(call);
      } catch (const Refusal&) {
        if (!fold_constants(node, true)) throw;
        return;
      }
    }
    if (!can_fold(node.op_type())) return report(node, index, "not implemented");
    for (const std::string& input : node.input()) {
      const Symbol* symbol = scope.find(input);
      if (symbol != nullptr && symbol->unknown) throw Refusal{};
    }
    report(node, index,
           computes_integers(node) ? "its integers depend on the data"
                                   : "its inputs depend on the data");
  }

  const OpRow* row_of(const NodeProto& node) const {
    const Symbol* first = node.input_size() > 0 ? scope.find(node.input(0)) : nullptr;
    if (first != nullptr && onnx_is_integer(first->type)) {
      const OpRow* row = find_integer_row(node.op_type(), scope.opset);
      if (row != nullptr) return row;
    }
    return find_row(node.op_type(), scope.opset);
  }

  bool computes_integers(const NodeProto& node) const {
    const auto found = inferred_.find(node.output(0));
    return found != inferred_.end() && onnx_is_integer(found->second->elem_type());
  }

  /// Whether shape inference found a dimension of size 0.
  bool is_empty(const std::string& name) const {
    const auto found = inferred_.find(name);
    if (found == inferred_.end()) return false;
    return std::ranges::any_of(found->second->shape().dim(), [](const auto& dim) {
      return dim.has_dim_value() && dim.dim_value() == 0;
    });
  }

  /// Shape and Size need to know no elements.
  bool fold_shape(const NodeProto& node) {
    if (node.op_type() != "Shape" && node.op_type() != "Size") return false;
    const Symbol& of = scope.symbol(node.input(0));
    if (!of.shaped) throw Refusal{};
    HostTensor result = node.op_type() == "Shape"
                            ? shape_slice(node, of.shape)
                            : HostTensor{onnx::TensorProto::INT64, {}, {elements_of(of.shape)}, {}};
    scope.define_constant(node.output(0), std::move(result));
    return true;
  }

  /// A weight that is only moved stays a weight: how it is used decides whether it trains.
  bool move_weight(const NodeProto& node) {
    const bool mover = std::find(kMovers.begin(), kMovers.end(), node.op_type()) != kMovers.end();
    if (!mover || !scope.is_weight(node.input(0))) return false;
    const Symbol from = scope.symbol(node.input(0));
    if (from.moves >= kMostMoves) return false;
    Symbol to{.type = from.type, .shape = from.shape, .shaped = true, .mover = &node};
    to.moves = from.moves + 1;
    NodeCall call(scope, node, 0);
    if (node.op_type() == "Cast") to.type = static_cast<int>(integer_of(node, "to", 0));
    if (node.op_type() == "CastLike") to.type = call.symbol(1).type;
    if (!onnx_is_float(to.type)) return false;
    if (node.op_type() == "Transpose") {
      to.shape.clear();
      for (const std::int64_t axis : integers_of(node, "perm")) {
        to.shape.push_back(from.shape.at(static_cast<std::size_t>(axis)));
      }
      if (to.shape.empty()) to.shape.assign(from.shape.rbegin(), from.shape.rend());
    } else if (node.op_type() == "Reshape") {
      const Shape target = scope.opset < 5 ? integers_of(node, "shape") : call.constant(1).integers;
      to.shape = reshaped(from.shape, target, integer_of(node, "allowzero", 0) != 0);
    } else if (node.op_type() == "Squeeze") {
      to.shape = squeezed(from.shape, call.integers("axes", 13, 1));
    } else if (node.op_type() == "Unsqueeze") {
      to.shape = unsqueezed(from.shape, call.integers("axes", 13, 1));
    } else if (node.op_type() == "Flatten") {
      to.shape = flattened(from.shape, integer_of(node, "axis", 1));
    } else if (node.op_type() == "Expand") {
      to.shape = call.literal_target(from.shape, call.constant(1).integers, true);
    } else if (node.op_type() == "Slice") {
      to.shape = slice_of(call).shape;
      if (elements_of(to.shape) == 0) return false;
    }
    scope.define(node.output(0), std::move(to));
    return true;
  }

  /// What depends on no input is computed now, unless it is made of a weight by something that can
  /// be trained through (or even then: `weights_too`).
  bool fold_constants(const NodeProto& node, bool weights_too = false) {
    if (!can_fold(node.op_type())) return false;
    if (node.op_type() == "CastLike" && at_import(node.input(0))) return fold_cast_like(node);
    bool weights = false;
    for (const std::string& input : node.input()) {
      if (!at_import(input)) return false;
      weights = weights || (scope.is_weight(input) && is_trained_matrix(input));
    }
    const bool through = !weights_too && !is_empty(node.output(0)) &&
                         find_row(node.op_type(), scope.opset) != nullptr;
    if (weights && through) return false;
    std::vector<const HostTensor*> inputs;
    for (const std::string& input : node.input()) {
      inputs.push_back(input.empty() ? nullptr : &scope.constant(input));
    }
    if (weights)
      ++scope.noted["{} tensors stay as they are: made from weights by " + node.op_type()];
    scope.define_constant(node.output(0), fold(node, scope.opset, inputs));
    return true;
  }

  bool fold_cast_like(const NodeProto& node) {
    const Symbol& like = scope.symbol(node.input(1));
    if (like.type == 0) throw Refusal{};
    const HostTensor type_only{like.type, {}, {}, {}};
    const std::array<const HostTensor*, 2> inputs{&scope.constant(node.input(0)), &type_only};
    scope.define_constant(node.output(0), fold(node, scope.opset, inputs));
    return true;
  }

  bool is_trained_matrix(const std::string& name) const {
    std::string root = name;
    while (scope.find(root)->mover != nullptr) root = scope.find(root)->mover->input(0);
    const bool by_use = scope.roles.mark(root) == TrainingRoles::Mark::Parameter ||
                        scope.find(root)->shape.size() > 1;
    return scope.roles.trains(root, by_use);
  }

  /// Only the branch of a condition that is known.
  void resolve_if(const NodeProto& node, int index) {
    const Symbol& condition = scope.symbol(node.input(0));
    if (condition.unknown) throw Refusal{};
    if (!condition.at_import()) return report(node, index, "its condition depends on the data");
    require(elements_of(condition.shape) == 1, ErrorKind::BadContent, "its condition is no scalar");
    const bool holds = scope.constant(node.input(0)).number(0) != 0;
    const onnx::AttributeProto* branch =
        find_attribute(node, holds ? "then_branch" : "else_branch");
    require(branch != nullptr && branch->has_g(), ErrorKind::BadContent, "a branch is missing");
    for (const onnx::TensorProto& tensor : branch->g().initializer()) {
      scope.define_constant(tensor.name(), host_tensor(tensor));
    }
    for (const NodeProto& inner : branch->g().node()) {
      used_.insert(inner.output().begin(), inner.output().end());
      guarded(inner, index);
    }
    for (int i = 0; i < std::min(node.output_size(), branch->g().output_size()); ++i) {
      const Symbol* result = scope.find(branch->g().output(i).name());
      if (result != nullptr) scope.define(node.output(i), Symbol(*result));
    }
  }

  /// Our shapes and ONNX's are two derivations of one thing.
  void compare_with_inferred() const {
    for (const auto& [name, type] : inferred_) {
      const Symbol* symbol = scope.find(name);
      if (symbol == nullptr || symbol->unknown || !type->has_shape()) continue;
      bool same = static_cast<int>(symbol->shape.size()) == type->shape().dim_size();
      for (int i = 0; same && i < type->shape().dim_size(); ++i) {
        const auto& dim = type->shape().dim(i);
        same =
            !dim.has_dim_value() || dim.dim_value() == symbol->shape[static_cast<std::size_t>(i)];
      }
      if (same) continue;
      throw Error(ErrorKind::BadContent,
                  {.what = "the shape of '" + name + "' contradicts what the file declares",
                   .at = scope.file.path.string(),
                   .why = "it comes out as " + to_string(symbol->shape),
                   .try_ = "export the model again"});
    }
  }

  const InputSizes& sizes_;
  std::unordered_map<std::string, const onnx::TypeProto_Tensor*> inferred_;
  const std::vector<std::string>& wanted_;
  std::vector<std::string> outputs_;
  std::unordered_set<std::string> used_;
  std::vector<bool> live_;
};

}  // namespace

Conversion convert(const ModelFile& file, const InputSizes& sizes, const ImportOptions& options,
                   bool load_weights) {
  std::optional<LiteralShapes> literals;
  if (sizes.rewritten()) {
    InputSizes written = sizes;
    written.shapes = sizes.written;
    written.batch = sizes.written_batch;
    Walk first(file, written, options, false);
    first.run(sizes.written);
    literals = std::move(first.scope.literals);
  }
  const auto walked = [&](const std::set<std::string>* trained) {
    auto walk = std::make_unique<Walk>(file, sizes, options, load_weights);
    walk->scope.trained = trained;
    walk->scope.written = literals.has_value() ? &*literals : nullptr;
    walk->scope.written_batch = sizes.written_batch;
    walk->scope.batches = {sizes.written_batch};
    walk->run(sizes.shapes);
    return walk;
  };
  auto walk = walked(nullptr);
  const std::set<std::string> trained = walk->scope.half_trained();
  if (!trained.empty()) walk = walked(&trained);
  walk->scope.trained = nullptr;
  return finish(std::move(walk->scope), std::move(walk->unsupported));
}

}  // namespace mpsearch
