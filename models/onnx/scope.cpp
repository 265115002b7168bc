#include "models/onnx/scope.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/onnx/attributes.h"
#include "models/onnx/check.h"
#include "models/onnx/fold.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"
#include "models/onnx/tie.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kMostElements = std::int64_t{1} << 44;
constexpr std::string_view kTorchKind = "pkg.torch.export.graph_signature.InputSpec.kind";
constexpr std::string_view kFoldedFrom = "pkg.onnxscript.optimizer.folded_from";

/// Whether a list like "['block.norm.weight', 'val_20']" names what a module holds, other than the
/// statistics of a norm.
bool names_parameter(std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, end);
    const bool held = name.find('.') != std::string_view::npos;
    if (held && name.find(".running_") == std::string_view::npos) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

/// Ones or zeros that stand for parameters which a norm does not have: where a file marks its
/// parameters, such a vector without a mark is none.
bool is_filler(const Initializer& initializer) {
  constexpr std::int64_t kLongest = 1 << 16;
  const bool small = initializer.shape.size() == 1 && elements_of(initializer.shape) > 1 &&
                     elements_of(initializer.shape) <= kLongest;
  if (!small || !onnx_is_float(initializer.type)) return false;
  const std::vector<double> values = host_tensor(initializer).reals;
  return std::ranges::all_of(values, [&](double value) { return value == values[0]; });
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) {
  // Greedy with one way back: to the latest '*'.
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

TrainingRoles::TrainingRoles(const ModelFile& file, const ImportOptions& options)
    : options_(options) {
  for (const onnx::ValueInfoProto& info : file.proto.graph().value_info()) {
    for (const onnx::StringStringEntryProto& entry : info.metadata_props()) {
      if (entry.key() == kFoldedFrom && names_parameter(entry.value())) made_.insert(info.name());
      if (entry.key() != kTorchKind) continue;
      if (entry.value() == "PARAMETER") marks_[info.name()] = Mark::Parameter;
      if (entry.value() == "BUFFER") marks_[info.name()] = Mark::Buffer;
    }
  }
  marked_ = std::ranges::any_of(marks_,
                                [](const auto& entry) { return entry.second == Mark::Parameter; });
  if (!marked_) return;
  for (const Initializer& initializer : file.initializers) {
    if (!marks_.contains(initializer.name) && !made_.contains(initializer.name) &&
        is_filler(initializer)) {
      marks_[initializer.name] = Mark::Buffer;
    }
  }
}

TrainingRoles::Mark TrainingRoles::mark(const std::string& name) const {
  const auto found = marks_.find(name);
  return found == marks_.end() ? Mark::None : found->second;
}

bool TrainingRoles::trains(const std::string& name, bool by_use) const {
  const auto any = [&](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](const std::string& pattern) { return matches_pattern(pattern, name); });
  };
  if (any(options_.freeze)) return false;
  if (any(options_.train)) return true;
  const Mark of_file = mark(name);
  return of_file == Mark::Parameter || (by_use && of_file != Mark::Buffer);
}

void TrainingRoles::require_matches(const std::vector<std::string>& names) const {
  const auto check = [&](const std::vector<std::string>& patterns, const std::string& flag) {
    for (const std::string& pattern : patterns) {
      const bool hit = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return matches_pattern(pattern, name);
      });
      if (hit) continue;
      std::string letters = pattern;
      std::erase_if(letters, [](char c) { return c == '*' || c == '?'; });
      throw Error(ErrorKind::Usage, {.what = flag + " '" + pattern + "' matches no parameter",
                                     .at = {},
                                     .why = did_you_mean(letters, names),
                                     .try_ = "mpsearch inspect shows the names"});
    }
  };
  check(options_.freeze, "--freeze");
  check(options_.train, "--train");
}

Scope::Scope(const ModelFile& model_file, const ImportOptions& options, bool load_weights)
    : file(model_file),
      roles(model_file, options),
      opset(opset_of(model_file.proto)),
      load_weights_(load_weights) {
  for (const Initializer& initializer : file.initializers) {
    Symbol symbol{.type = initializer.type,
                  .shape = initializer.shape,
                  .shaped = true,
                  .initializer = &initializer};
    define(initializer.name, std::move(symbol));
    names_.insert(initializer.name);  // parameters keep their names, whatever nodes are called
  }
  tie_weights();
}

/// A tied weight is its table, moved, unless an option or a mark treats the two differently.
void Scope::tie_weights() {
  for (const Tie& tie : tied_weights(file)) {
    if (roles.trains(tie.table, true) != roles.trains(tie.weight, true)) continue;
    onnx::NodeProto& node = ties_.emplace_back();
    node.set_name(tie.weight);
    node.set_op_type(tie.turned ? "Transpose" : "Identity");
    node.add_input(tie.table);
    node.add_output(tie.weight);
    Symbol& weight = symbol(tie.weight);
    weight.initializer = nullptr;
    weight.mover = &node;
    weight.moves = 1;
    names_.erase(tie.weight);
    model.ties.push_back(tie);
    model.notes.push_back("'" + tie.weight + "' holds the elements of '" + tie.table +
                          "': the two are tied and train as one");
  }
}

void Scope::note_batches(const Shape& before, const Shape& now) {
  for (std::size_t i = 0; i < std::min(before.size(), now.size()); ++i) {
    const bool known = std::ranges::find(batches, before[i]) != batches.end();
    if (before[i] != now[i] && !known) batches.push_back(before[i]);
  }
}

Symbol& Scope::symbol(const std::string& name) {
  const auto [entry, added] = symbols_.try_emplace(name);
  if (added) entry->second.unknown = true;
  return entry->second;
}

const Symbol* Scope::find(const std::string& name) const {
  const auto found = symbols_.find(name);
  return found == symbols_.end() ? nullptr : &found->second;
}

void Scope::define_constant(const std::string& name, HostTensor tensor) {
  Symbol symbol{.type = tensor.type, .shape = tensor.shape, .shaped = true};
  symbol.constant = std::make_shared<const HostTensor>(std::move(tensor));
  define(name, std::move(symbol));
}

void Scope::define_value(const std::string& name, ValueId value, int type) {
  define(
      name,
      {.type = type, .shape = model.graph.value(value).type.shape, .shaped = true, .value = value});
}

bool Scope::is_weight(const std::string& name) const {
  const Symbol* symbol = find(name);
  if (symbol == nullptr || !onnx_trains(symbol->type)) return false;
  if (symbol->mover != nullptr) return is_weight(symbol->mover->input(0));
  if (symbol->initializer == nullptr) return false;
  return elements_of(symbol->shape) > 1 || roles.mark(name) == TrainingRoles::Mark::Parameter ||
         roles.trains(name, false);
}

std::string Scope::root_of(const std::string& name) {
  std::string root = name;
  while (symbol(root).mover != nullptr) root = symbol(root).mover->input(0);
  return root;
}

bool Scope::is_folded(const std::string& name) {
  const std::string root = root_of(name);
  return root.starts_with("onnx::") ||
         (roles.marked() && roles.mark(root) == TrainingRoles::Mark::None);
}

bool Scope::is_filled(const std::string& name) {
  const std::string root = root_of(name);
  if (!roles.marked() || roles.mark(root) != TrainingRoles::Mark::None) return false;
  if (roles.made_of_parameter(root)) return false;
  const std::vector<double>& elements = constant(root).reals;
  return std::ranges::all_of(elements, [&](double value) { return value == elements[0]; });
}

bool Scope::is_mask(const std::string& name) {
  const std::vector<double>& elements = constant(root_of(name)).reals;
  constexpr double kHuge = 1e8;
  const bool huge = std::any_of(elements.begin(), elements.end(),
                                [](double value) { return !(std::fabs(value) < kHuge); });
  // Zeros, and ones to multiply by or one number to add that leaves a softmax nothing.
  constexpr double kForbidding = -10;
  const double least = elements.empty() ? 0 : *std::ranges::min_element(elements);
  const double other = least <= kForbidding ? least : 1;
  const bool bits = std::all_of(elements.begin(), elements.end(),
                                [&](double value) { return value == 0 || value == other; });
  const bool even = std::all_of(elements.begin(), elements.end(),
                                [&](double value) { return value == elements[0]; });
  return huge || (bits && !even);
}

const HostTensor& Scope::constant(const std::string& name) {
  Symbol& known = symbol(name);
  if (known.constant != nullptr) return *known.constant;
  if (known.initializer != nullptr) {
    known.constant = std::make_shared<const HostTensor>(host_tensor(*known.initializer));
    return *known.constant;
  }
  require(known.mover != nullptr, ErrorKind::BadContent,
          "'" + name + "' depends on the model's inputs, but must be known before the first step");
  const HostTensor like{known.type, {}, {}, {}};
  std::vector<const HostTensor*> inputs;
  for (const std::string& input : known.mover->input()) {
    const bool only_type = !inputs.empty() && known.mover->op_type() == "CastLike";
    inputs.push_back(only_type ? &like : input.empty() ? nullptr : &constant(input));
  }
  known.constant = std::make_shared<const HostTensor>(fold(*known.mover, opset, inputs));
  return *known.constant;
}

ValueId Scope::leaf(const Initializer& initializer, ValueKind kind) {
  const auto found = leaves_.find(initializer.name);
  if (found != leaves_.end()) {
    Value& value = model.graph.value(found->second);
    if (kind == ValueKind::Parameter && value.kind == ValueKind::Constant) value.kind = kind;
    learned_[static_cast<std::size_t>(found->second)] = value.kind == ValueKind::Parameter;
    return found->second;
  }
  if (onnx_trains(initializer.type) && initializer.type != onnx::TensorProto::FLOAT) {
    ++noted["{} tensors of type " + onnx_type_name(initializer.type) + " become F32 masters"];
  }
  Value value;
  value.name = initializer.name;
  value.type = stored_type(initializer.type, initializer.shape);
  value.kind = kind;
  if (load_weights_) value.data = std::make_shared<const Bytes>(stored_bytes(initializer));
  const ValueId id = model.graph.add_value(std::move(value));
  leaves_[initializer.name] = id;
  learned_.resize(model.graph.values.size());
  learned_[static_cast<std::size_t>(id)] = kind == ValueKind::Parameter;
  return id;
}

ValueId Scope::folded(const std::string& name) {
  const auto found = folded_.find(name);
  if (found != folded_.end()) return found->second;
  const HostTensor& tensor = constant(name);
  Value value;
  value.name = unique_name(name);
  value.type = stored_type(tensor.type, tensor.shape);
  value.kind = ValueKind::Constant;
  value.data = std::make_shared<const Bytes>(stored_bytes(tensor));
  const ValueId id = model.graph.add_value(std::move(value));
  learned_.resize(model.graph.values.size());
  return folded_[name] = id;
}

std::set<std::string> Scope::half_trained() {
  std::set<std::string> names;
  for (const auto& [name, value] : folded_) {
    const std::string root = root_of(name);
    const auto leaf = leaves_.find(root);
    const bool trains = root != name && leaf != leaves_.end() &&
                        model.graph.value(leaf->second).kind == ValueKind::Parameter;
    if (trains) names.insert(root);
  }
  return names;
}

ValueId Scope::value(const std::string& name, bool train) {
  const Symbol known = symbol(name);
  if (known.value != kNone) {
    // Moved as a constant before, now a weight.
    if (known.mover != nullptr && train) value(root_of(name), true);
    return known.value;
  }
  require(known.at_import(), ErrorKind::Internal, "nothing is known of '" + name + "'");
  if (known.mover != nullptr) {
    const std::string root = root_of(name);
    const bool by_use = train || (trained != nullptr && trained->contains(root));
    if (roles.trains(root, by_use)) return moved(name, true);
    // An Expand to the file's batch follows another one only as a node.
    return is_weight(name) && known.mover->op_type() == "Expand" ? moved(name, false)
                                                                 : folded(name);
  }
  if (known.initializer == nullptr) return folded(name);
  const bool parameter = onnx_trains(known.type) && roles.trains(name, train);
  return leaf(*known.initializer, parameter ? ValueKind::Parameter : ValueKind::Constant);
}

/// The nodes between an initializer and its use, added once.
ValueId Scope::moved(const std::string& name, bool train) {
  const Symbol known = symbol(name);
  const onnx::NodeProto& node = *known.mover;
  const ValueId from = value(node.input(0), train);
  const std::string label = node.name().empty() ? name : node.name();
  ValueId to = from;
  if (node.op_type() == "Transpose") {
    Shape perm = integers_of(node, "perm");
    const std::size_t rank = known.shape.size();
    for (std::size_t i = 0; perm.size() < rank; ++i) {
      perm.push_back(static_cast<std::int64_t>(rank - 1 - i));
    }
    to = emit(label, "Transpose", {from}, {{"perm", perm}}, kNone);
  } else if (node.op_type() == "Expand") {
    to = emit(label, "BroadcastTo", {from}, {{"shape", known.shape}}, kNone);
  } else if (node.op_type() == "Slice") {
    NodeCall call(*this, node, 0);
    const SlicedShape slice = slice_of(call);
    if (!slice.whole() || slice.shape != model.graph.value(from).type.shape) {
      to = emit(label, "Slice", {from},
                {{"starts", slice.starts}, {"steps", slice.steps}, {"shape", slice.shape}}, kNone);
    }
  } else if (known.shape != model.graph.value(from).type.shape) {
    to = emit(label, "Reshape", {from}, {{"shape", known.shape}}, kNone);
  }
  symbol(name).value = to;
  return to;
}

ValueId Scope::further_output(ValueId first, int index) {
  const NodeId node = model.graph.value(first).producer;
  const ValueId id = model.graph.add_output(node, static_cast<std::size_t>(index));
  learned_.resize(model.graph.values.size(), learned_[static_cast<std::size_t>(first)]);
  return id;
}

ValueId Scope::filled(double number, const Shape& shape, const std::string& name) {
  const std::vector<double> elements(static_cast<std::size_t>(elements_of(shape)), number);
  return constant_tensor({onnx::TensorProto::FLOAT, shape, {}, elements}, name);
}

ValueId Scope::constant_tensor(const HostTensor& tensor, const std::string& name) {
  Value value;
  value.name = unique_name(name);
  value.type = stored_type(tensor.type, tensor.shape);
  value.kind = ValueKind::Constant;
  value.data = std::make_shared<const Bytes>(stored_bytes(tensor));
  const ValueId id = model.graph.add_value(std::move(value));
  learned_.resize(model.graph.values.size());
  return id;
}

ValueId Scope::state(const std::string& name, const std::string& own_name) {
  const Symbol known = symbol(name);
  if (known.initializer != nullptr && known.mover == nullptr) {
    const ValueId id = leaf(*known.initializer, ValueKind::State);
    model.graph.value(id).kind = ValueKind::State;
    return id;
  }
  const HostTensor& tensor = constant(name);
  Value value;
  value.name = unique_name(own_name);
  value.type = stored_type(tensor.type, tensor.shape);
  value.kind = ValueKind::State;
  value.data = std::make_shared<const Bytes>(stored_bytes(tensor));
  const ValueId id = model.graph.add_value(std::move(value));
  learned_.resize(model.graph.values.size());
  return id;
}

bool Scope::learned(ValueId value) const {
  const auto index = static_cast<std::size_t>(value);
  return index < learned_.size() && learned_[index];
}

ValueId Scope::emit(const std::string& name, std::string_view op, std::vector<ValueId> inputs,
                    Attributes attributes, int node_index) {
  bool any = false;
  for (const ValueId input : inputs) any = any || learned(input);
  const NodeId id =
      model.graph.add_node(unique_name(name), op, std::move(inputs), std::move(attributes));
  origin.resize(model.graph.nodes.size(), kNone);
  origin[static_cast<std::size_t>(id)] = node_index;
  const ValueId output = model.graph.node(id).outputs[0];
  const Shape& shape = model.graph.value(output).type.shape;
  const std::int64_t elements = elements_of(shape);
  require(elements > 0 && elements <= kMostElements, ErrorKind::BadContent,
          "its output of shape " + to_string(shape) +
              (elements == 0 ? " has no elements" : " is larger than any memory"));
  learned_.resize(model.graph.values.size());
  learned_[static_cast<std::size_t>(output)] = any;
  return output;
}

std::string Scope::unique_name(const std::string& wish) {
  std::string name = wish;
  for (int i = 2; !names_.insert(name).second; ++i) name = wish + "#" + std::to_string(i);
  return name;
}

}  // namespace mpsearch
