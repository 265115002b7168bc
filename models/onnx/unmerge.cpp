#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "models/onnx/check.h"
#include "models/onnx/scope.h"

namespace mpsearch {
namespace {

/// A weight and a node that reads it.
using Reading = std::pair<const Initializer*, int>;
using Readings = std::set<Reading>;

/// One input of one node.
struct Use {
  int node = 0;
  int input = 0;
};

struct Slot {
  std::string_view op;
  int first, last;
};

/// Inputs that hold a layer's parameters or statistics.
constexpr std::array<Slot, 10> kSlots{{{"Conv", 1, 2},
                                       {"ConvTranspose", 1, 2},
                                       {"Gemm", 1, 2},
                                       {"BatchNormalization", 1, 4},
                                       {"LayerNormalization", 1, 2},
                                       {"RMSNormalization", 1, 1},
                                       {"GroupNormalization", 1, 2},
                                       {"InstanceNormalization", 1, 2},
                                       {"PRelu", 1, 1},
                                       {"MatMul", 1, 1}}};

bool is_statistic(const onnx::NodeProto& node, int input) {
  return node.op_type() == "BatchNormalization" && input > 2;
}

/// Whether the input may hold something that trains, or runs along with it.
bool takes_parameter(const onnx::NodeProto& node, int input, const Initializer& tensor,
                     const TrainingRoles& roles) {
  if (is_statistic(node, input)) return true;
  const bool slot = std::ranges::any_of(kSlots, [&](const Slot& of) {
    return of.op == node.op_type() && input >= of.first && input <= of.last;
  });
  const bool operand = node.op_type() == "Add" || node.op_type() == "Mul" ||
                       node.op_type() == "Sub" || node.op_type() == "Div";
  if (roles.marked()) {
    return (slot || operand) && (roles.mark(tensor.name) == TrainingRoles::Mark::Parameter ||
                                 roles.made_of_parameter(tensor.name));
  }
  return slot || (operand && elements_of(tensor.shape) > 1);
}

bool all_equal(const Initializer& tensor) {
  const auto count = static_cast<std::size_t>(elements_of(tensor.shape));
  if (count == 0 || tensor.data.empty()) return false;
  const std::size_t size = tensor.data.size() / count;
  return std::memcmp(tensor.data.data(), tensor.data.data() + size, tensor.data.size() - size) == 0;
}

/// Which weights lie next to a node, before and behind it.
class Neighbours {
 public:
  explicit Neighbours(const ModelFile& file) : graph_(file.proto.graph()) {
    const auto count = static_cast<std::size_t>(graph_.node_size());
    own_.resize(count);
    before_.resize(count);
    behind_.resize(count);
    readers_.resize(count);
    std::unordered_map<std::string, int> producer;
    for (int n = 0; n < graph_.node_size(); ++n) {
      for (const std::string& name : graph_.node(n).input()) {
        const Initializer* tensor = file.initializer(name);
        if (tensor != nullptr && onnx_is_float(tensor->type) && !all_equal(*tensor)) {
          own(n).emplace(tensor, n);
        }
        const auto from = producer.find(name);
        if (from == producer.end()) continue;
        readers_[static_cast<std::size_t>(from->second)].push_back(n);
        const Readings& nearest =
            own(from->second).empty() ? before(from->second) : own(from->second);
        before(n).insert(nearest.begin(), nearest.end());
      }
      for (const std::string& name : graph_.node(n).output()) producer[name] = n;
    }
    for (int n = graph_.node_size(); n-- > 0;) {
      for (const int reader : readers_[static_cast<std::size_t>(n)]) {
        const Readings& nearest = own(reader).empty() ? behind(reader) : own(reader);
        behind(n).insert(nearest.begin(), nearest.end());
      }
    }
  }

  /// Whether two nodes are one layer that is called twice: what lies at or next to one of them lies
  /// at the other as well, in another call of its own.
  bool one_layer(int a, int b) const {
    if (!own_[static_cast<std::size_t>(a)].empty()) return called_twice(own_, a, b);
    return called_twice(before_, a, b) || called_twice(behind_, a, b);
  }

 private:
  using Lists = std::vector<Readings>;

  static bool called_twice(const Lists& of, int a, int b) {
    const Readings& x = of[static_cast<std::size_t>(a)];
    const Readings& y = of[static_cast<std::size_t>(b)];
    const auto weights = [](const Readings& readings) {
      std::set<const Initializer*> all;
      for (const Reading& reading : readings) all.insert(reading.first);
      return all;
    };
    return x != y && !x.empty() && weights(x) == weights(y);
  }

  Readings& own(int node) { return own_[static_cast<std::size_t>(node)]; }
  Readings& before(int node) { return before_[static_cast<std::size_t>(node)]; }
  Readings& behind(int node) { return behind_[static_cast<std::size_t>(node)]; }

  const onnx::GraphProto& graph_;
  Lists own_, before_, behind_;  // by node
  std::vector<std::vector<int>> readers_;
};

/// The module that PyTorch's default exporter says the node comes from, "layers.1.norm1", or "".
std::string module_of(const onnx::NodeProto& node) {
  for (const onnx::StringStringEntryProto& entry : node.metadata_props()) {
    if (entry.key() != "pkg.torch.onnx.name_scopes") continue;
    // "['', 'layers.1', 'layers.1.norm1', 'layer_norm_2']": the last is the call.
    std::vector<std::string> scopes;
    const std::string& text = entry.value();
    for (std::size_t at = text.find('\''); at != std::string::npos;) {
      const std::size_t end = text.find('\'', at + 1);
      if (end == std::string::npos) break;
      scopes.push_back(text.substr(at + 1, end - at - 1));
      at = text.find('\'', end + 1);
    }
    return scopes.size() < 2 ? "" : scopes[scopes.size() - 2];
  }
  return {};
}

/// The uses of a tensor, by the layer that they belong to.
std::vector<std::vector<Use>> by_layer(const onnx::GraphProto& graph, const Neighbours& neighbours,
                                       const std::vector<Use>& uses) {
  const auto together = [&](const Use& a, const Use& b) {
    const onnx::NodeProto& x = graph.node(a.node);
    const onnx::NodeProto& y = graph.node(b.node);
    return a.input == b.input && x.op_type() == y.op_type() && module_of(x) == module_of(y) &&
           neighbours.one_layer(a.node, b.node);
  };
  std::vector<std::vector<Use>> layers;
  for (const Use& use : uses) {
    const auto found = std::ranges::find_if(
        layers, [&](const std::vector<Use>& layer) { return together(layer.front(), use); });
    if (found == layers.end()) {
      layers.push_back({use});
    } else {
      found->push_back(use);
    }
  }
  return layers;
}

/// "weight" of "layers.0.norm1.weight", in the layer of this node.
std::string name_in(const onnx::NodeProto& node, const std::string& merged) {
  const std::string module = module_of(node);
  const std::size_t dot = merged.rfind('.');
  return (module.empty() ? node.name() : module) + "." +
         (dot == std::string::npos ? merged : merged.substr(dot + 1));
}

/// Tensors of one repeated number that several nodes take as a parameter.
std::map<std::string, std::vector<Use>> candidates(const ModelFile& file) {
  const ImportOptions no_options;
  const TrainingRoles roles(file, no_options);
  std::map<std::string, std::vector<Use>> uses;
  const onnx::GraphProto& graph = file.proto.graph();
  for (int n = 0; n < graph.node_size(); ++n) {
    const onnx::NodeProto& node = graph.node(n);
    for (int i = 0; i < node.input_size(); ++i) {
      const Initializer* tensor = file.initializer(node.input(i));
      if (tensor == nullptr || !onnx_trains(tensor->type)) continue;
      if (takes_parameter(node, i, *tensor, roles)) uses[node.input(i)].push_back({n, i});
    }
  }
  std::erase_if(uses, [&](const auto& entry) {
    return entry.second.size() < 2 || !all_equal(*file.initializer(entry.first));
  });
  return uses;
}

/// A second initializer with the elements and the marks of `of`.
void add_copy(ModelFile& file, const std::string& of, const std::string& name) {
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  const std::size_t index = file.initializer_index.at(of);
  Initializer copy = file.initializers[index];
  copy.name = name;
  onnx::TensorProto header = file.headers[index];
  if (!header.name().empty()) header.set_name(name);
  file.initializer_index.emplace(name, file.initializers.size());
  file.initializers.push_back(std::move(copy));
  file.headers.push_back(std::move(header));
  if (file.added_inputs.contains(of)) file.added_inputs.insert(name);
  const auto repeat = [&](auto& list) {
    for (int i = 0, count = list.size(); i < count; ++i) {
      if (list.Get(i).name() != of) continue;
      auto entry = list.Get(i);
      entry.set_name(name);
      *list.Add() = std::move(entry);
    }
  };
  repeat(*graph.mutable_initializer());
  repeat(*graph.mutable_input());
  repeat(*graph.mutable_value_info());
}

}  // namespace

void separate_merged(ModelFile& file) {
  const std::map<std::string, std::vector<Use>> merged = candidates(file);
  if (merged.empty()) return;
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  const Neighbours neighbours(file);
  std::set<std::string> taken;
  for (const Initializer& tensor : file.initializers) taken.insert(tensor.name);
  for (const onnx::NodeProto& node : graph.node()) {
    taken.insert(node.output().begin(), node.output().end());
  }
  std::size_t parameters = 0;
  std::string first;
  for (const auto& [name, uses] : merged) {
    std::vector<std::vector<Use>> layers = by_layer(graph, neighbours, uses);
    if (layers.size() < 2) continue;
    // Its own layer keeps the name, where that is known.
    const auto owner = std::ranges::find_if(layers, [&](const std::vector<Use>& layer) {
      return name_in(graph.node(layer.front().node), name) == name;
    });
    if (owner != layers.end()) std::iter_swap(layers.begin(), owner);
    for (std::size_t i = 1; i < layers.size(); ++i) {
      const std::string wish = name_in(graph.node(layers[i].front().node), name);
      std::string own = wish;
      for (int k = 2; !taken.insert(own).second; ++k) own = wish + "#" + std::to_string(k);
      add_copy(file, name, own);
      for (const Use& use : layers[i]) graph.mutable_node(use.node)->set_input(use.input, own);
    }
    parameters += layers.size();
    if (first.empty()) first = name;
  }
  if (parameters == 0) return;
  file.notes.push_back(
      fmt::format("{} parameters of one repeated number that the exporter had merged because they "
                  "were equal ('{}', ...) are separate again",
                  parameters, first));
}

}  // namespace mpsearch
