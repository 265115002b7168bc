#include "search/problem_builder.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "kernels/error.h"
#include "models/lower.h"
#include "models/op.h"
#include "runtime/memory_plan.h"

namespace mpsearch {
namespace {

/// A read of a root by node `node` in `copy` under the reader's precision.
struct Use {
  NodeId node = kNone;
  std::size_t input = 0;
};

/// Bytes of a copy as the memory plan counts them: an FP8 tensor carries its scale.
std::int64_t bytes_of_copy(const Graph& graph, const Copy& copy) {
  const TensorType type{graph.value(copy.base).type.shape, copy.form};
  return aligned(type.bytes()) + (is_fp8(copy.form.dtype) ? aligned(sizeof(float)) : 0);
}

std::string form_name(const Graph& graph, const Copy& copy, ValueId root) {
  std::string name = to_string(copy.form);
  return copy.base == root ? name : name + to_string(graph.value(copy.base).type.shape);
}

bool allows(const Layer& layer, Precision precision) {
  return std::ranges::find(layer.allowed, precision) != layer.allowed.end();
}

/// The parameter that a value is, or is a transpose of; kNone.
ValueId weight_behind(const Graph& graph, ValueId value) {
  ValueId root = graph.root(value);
  while (graph.value(root).producer != kNone) {
    const Node& producer = graph.node(graph.value(root).producer);
    if (producer.op->name != "Transpose") return kNone;
    root = graph.root(producer.inputs[0]);
  }
  return graph.value(root).kind == ValueKind::Parameter ? root : kNone;
}

/// Precisions that every layer tied to `first` allows, in the order of `first`.
std::vector<Precision> allowed_to_all(const Graph& graph, const std::vector<LayerId>& tied,
                                      LayerId first) {
  std::vector<Precision> allowed = graph.layers[static_cast<std::size_t>(first)].allowed;
  for (std::size_t i = 0; i < tied.size(); ++i) {
    if (tied[i] != first) continue;
    std::erase_if(allowed,
                  [&](Precision precision) { return !allows(graph.layers[i], precision); });
  }
  return allowed;
}

class Builder {
 public:
  Builder(const StepGraph& step, const SpeedProfile& profile, const SensitivityOf& sensitivity)
      : graph_(step.graph),
        micro_batches_(step.micro_batches),
        profile_(profile),
        layouts_(assign_layouts(step.graph)),
        events_(schedule_of(step.graph, layouts_)),
        uses_(step.graph.values.size()) {
    index_events();
    collect_uses();
    add_layers(sensitivity);
  }

  BuiltProblem build() {
    add_nodes();
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      const auto id = static_cast<ValueId>(i);
      if (graph_.root(id) == id) add_root(id);
    }
    validate(built_.problem);
    return std::move(built_);
  }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }

  void index_events() {
    node_event_.assign(graph_.nodes.size(), kNone);
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const Event& event = events_[i];
      if (event.node != kNone) {
        node_event_[index(event.node)] = static_cast<int>(i);
      } else {
        cast_event_[{event.copy, event.from}] = static_cast<int>(i);
      }
    }
    built_.problem.events = static_cast<int>(events_.size());
    built_.problem.base.assign(events_.size(), 0);
  }

  void collect_uses() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].op->view) continue;
      for (std::size_t input = 0; input < graph_.nodes[i].inputs.size(); ++input) {
        uses_[index(graph_.root(graph_.nodes[i].inputs[input]))].push_back(
            {static_cast<NodeId>(i), input});
      }
    }
  }

  void add_layers(const SensitivityOf& sensitivity) {
    const std::vector<LayerId> tied = tied_layers(graph_);
    for (std::size_t i = 0; i < graph_.layers.size(); ++i) {
      const LayerId first = tied[i];
      if (index(first) == i) {
        built_.decision.push_back(static_cast<int>(built_.problem.layers.size()));
        add_layer(graph_.layers[i].name, allowed_to_all(graph_, tied, first));
      } else {
        built_.decision.push_back(built_.decision[index(first)]);
      }
      const int layer = built_.decision[i];
      for (std::size_t choice = 0; choice < built_.options[index(layer)].size(); ++choice) {
        option(layer, choice).sensitivity +=
            sensitivity(static_cast<LayerId>(i), built_.options[index(layer)][choice]);
      }
    }
    add_layer("(step)", {Precision::FP32});
  }

  void add_layer(const std::string& name, std::vector<Precision> allowed) {
    ProblemLayer layer;
    layer.name = name;
    for (const Precision precision : allowed) {
      ProblemOption option;
      option.name = std::string(name_of(precision));
      layer.options.push_back(std::move(option));
    }
    built_.problem.layers.push_back(std::move(layer));
    built_.options.push_back(std::move(allowed));
  }

  int problem_layer(NodeId node) const {
    const LayerId layer = graph_.node(node).layer;
    return layer == kNone ? static_cast<int>(built_.options.size()) - 1
                          : built_.decision[index(layer)];
  }

  ProblemOption& option(int layer, std::size_t choice) {
    return built_.problem.layers[index(layer)].options[choice];
  }

  double timing(const KernelCall& call) const {
    const std::string key = key_of(call);
    const auto found = profile_.timings.find(key);
    require(found != profile_.timings.end(), ErrorKind::Internal, "no timing of " + key);
    return found->second.ms;
  }

  /// Of a cast in a step; it runs as often as the node that writes its value, as lowering has it.
  double cast_ms(ValueId root, const Copy& to, Form from) const {
    const NodeId producer = graph_.value(root).producer;
    const Phase phase = producer == kNone ? Phase::Forward : graph_.node(producer).phase;
    return runs_in_step(phase, micro_batches_) * timing(cast_call(graph_, to, from));
  }

  /// Time and workspace of every node under every precision of its layer.
  void add_nodes() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].op->view) continue;
      const auto id = static_cast<NodeId>(i);
      const int layer = problem_layer(id);
      for (std::size_t choice = 0; choice < built_.options[index(layer)].size(); ++choice) {
        const KernelCall call =
            call_under(graph_, id, built_.options[index(layer)][choice], layouts_);
        ProblemOption& target = option(layer, choice);
        target.ms += runs_in_step(graph_.nodes[i].phase, micro_batches_) * timing(call);
        const auto kernel = profile_.kernels.find(key_of(call));
        if (kernel != profile_.kernels.end() && kernel->second.workspace_bytes > 0) {
          target.bytes.push_back(
              {node_event_[i], node_event_[i], aligned(kernel->second.workspace_bytes)});
        }
      }
    }
  }

  bool persistent(ValueId root) const {
    const ValueKind kind = graph_.value(root).kind;
    return kind != ValueKind::Computed && kind != ValueKind::Input;
  }

  /// Event of the write: given values are there from the start.
  int write_event(ValueId root) const {
    const NodeId producer = graph_.value(root).producer;
    return producer == kNone ? 0 : node_event_[index(producer)];
  }

  Form written_form(ValueId root, Precision precision) const {
    const Value& value = graph_.value(root);
    if (value.producer == kNone) return value.type.form;
    const std::vector<ValueId>& outputs = graph_.node(value.producer).outputs;
    const auto output =
        static_cast<std::size_t>(std::ranges::find(outputs, root) - outputs.begin());
    return form_of_output(graph_, value.producer, output, precision, layouts_);
  }

  Copy used_copy(const Use& use, Precision precision) const {
    return copy_for(graph_, graph_.node(use.node).inputs[use.input],
                    form_of_input(graph_, use.node, use.input, precision, layouts_));
  }

  std::int64_t stored_bytes(ValueId root, const Copy& copy) const {
    return persistent(root) && copy == Copy{root, graph_.value(root).type.form}
               ? 0  // in the base already
               : bytes_of_copy(graph_, copy);
  }

  void add_base(int first, int last, std::int64_t bytes) {
    for (int event = first; event <= last; ++event) built_.problem.base[index(event)] += bytes;
  }

  void add_root(ValueId root) {
    const Value& value = graph_.value(root);
    const int end = built_.problem.events - 1;
    if (persistent(root)) add_base(0, end, aligned(value.type.bytes()));
    const bool output =
        std::ranges::any_of(graph_.outputs, [&](ValueId id) { return graph_.root(id) == root; });
    if (output) {
      add_base(write_event(root), end, aligned(value.type.bytes()));
      return;
    }
    std::set<int> layers;
    if (value.producer != kNone) layers.insert(problem_layer(value.producer));
    for (const Use& use : uses_[index(root)]) layers.insert(problem_layer(use.node));
    if (layers.empty()) return;
    if (layers.size() == 1) {
      add_internal(root, *layers.begin());
    } else if (!add_constant(root)) {
      add_tensor(root);
    }
  }

  /// A value that only one layer writes and reads: its copies are that layer's own bytes and time.
  void add_internal(ValueId root, int layer) {
    for (std::size_t choice = 0; choice < built_.options[index(layer)].size(); ++choice) {
      const Precision precision = built_.options[index(layer)][choice];
      const Copy written{root, written_form(root, precision)};
      const int write = write_event(root);
      std::map<Copy, int> last_use;
      for (const Use& use : uses_[index(root)]) {
        int& last = last_use.try_emplace(used_copy(use, precision), 0).first->second;
        last = std::max(last, node_event_[index(use.node)]);
      }
      int written_until = write;
      ProblemOption& target = option(layer, choice);
      for (const auto& [copy, last] : last_use) {
        if (copy == written) {
          written_until = std::max(written_until, last);
          continue;
        }
        const int event = std::max(write, cast_event_.at({copy, written.form}));
        written_until = std::max(written_until, event);
        target.ms += cast_ms(root, copy, written.form);
        target.bytes.push_back({event, last, bytes_of_copy(graph_, copy)});
      }
      if (const std::int64_t bytes = stored_bytes(root, written); bytes > 0) {
        target.bytes.push_back({write, written_until, bytes});
      }
    }
  }

  /// A value whose one form no choice changes goes into the base. False where choices matter.
  bool add_constant(ValueId root) {
    const NodeId producer = graph_.value(root).producer;
    std::set<Copy> copies;
    int last = write_event(root);
    if (producer == kNone) {
      copies.insert({root, graph_.value(root).type.form});
    } else {
      for (const Precision precision : allowed_of(graph_, producer)) {
        copies.insert({root, written_form(root, precision)});
      }
    }
    for (const Use& use : uses_[index(root)]) {
      for (const Precision precision : allowed_of(graph_, use.node)) {
        copies.insert(used_copy(use, precision));
      }
      last = std::max(last, node_event_[index(use.node)]);
    }
    if (copies.size() > 1) return false;
    if (!persistent(root)) {
      add_base(write_event(root), last, bytes_of_copy(graph_, *copies.begin()));
    }
    return true;
  }

  /// A value that several layers share, in forms that depend on their choices.
  void add_tensor(ValueId root) {
    const Value& value = graph_.value(root);
    ProblemTensor tensor;
    tensor.name = value.name;
    std::map<Copy, int> forms;
    const auto form_of = [&](const Copy& copy) {
      const auto [place, first] = forms.try_emplace(copy, static_cast<int>(forms.size()));
      if (first) {
        tensor.forms.push_back({form_name(graph_, copy, root), stored_bytes(root, copy)});
      }
      return place->second;
    };
    const int id = static_cast<int>(built_.problem.tensors.size());
    std::set<Copy> written;
    if (value.producer == kNone) {
      written.insert({root, value.type.form});
      tensor.written = GivenWrite{form_of(*written.begin()), 0};
    } else {
      const int layer = problem_layer(value.producer);
      for (std::size_t choice = 0; choice < built_.options[index(layer)].size(); ++choice) {
        const Copy copy{root, written_form(root, built_.options[index(layer)][choice])};
        written.insert(copy);
        option(layer, choice).writes.push_back({id, form_of(copy), {write_event(root)}});
      }
    }
    std::set<Copy> read;
    add_reads(root, id, [&](const Copy& copy) {
      read.insert(copy);
      return form_of(copy);
    });
    for (const Copy& to : read) {
      for (const Copy& from : written) {
        if (from == to) continue;
        tensor.casts.push_back({forms.at(from), forms.at(to), cast_event_.at({to, from.form}),
                                cast_ms(root, to, from.form)});
      }
    }
    built_.problem.tensors.push_back(std::move(tensor));
  }

  template <class FormOf>
  void add_reads(ValueId root, int tensor, const FormOf& form_of) {
    std::set<int> layers;
    for (const Use& use : uses_[index(root)]) layers.insert(problem_layer(use.node));
    for (const int layer : layers) {
      for (std::size_t choice = 0; choice < built_.options[index(layer)].size(); ++choice) {
        std::map<int, std::vector<int>> reads;
        for (const Use& use : uses_[index(root)]) {
          if (problem_layer(use.node) != layer) continue;
          const Copy copy = used_copy(use, built_.options[index(layer)][choice]);
          std::vector<int>& at = reads[form_of(copy)];
          const int event = node_event_[index(use.node)];
          if (at.empty() || at.back() != event) at.push_back(event);
        }
        for (auto& [form, at] : reads) {
          option(layer, choice).reads.push_back({tensor, form, std::move(at)});
        }
      }
    }
  }

  const Graph& graph_;
  std::int64_t micro_batches_;
  const SpeedProfile& profile_;
  std::vector<Layout> layouts_;
  std::vector<Event> events_;
  std::vector<std::vector<Use>> uses_;  // by root
  std::vector<int> node_event_;
  std::map<std::pair<Copy, Form>, int> cast_event_;
  BuiltProblem built_;
};

}  // namespace

std::vector<LayerId> tied_layers(const Graph& graph) {
  std::vector<LayerId> tied(graph.layers.size());
  std::iota(tied.begin(), tied.end(), 0);
  const auto tie = [&](LayerId a, LayerId b) {
    const auto [first, second] =
        std::minmax(tied[static_cast<std::size_t>(a)], tied[static_cast<std::size_t>(b)]);
    std::vector<LayerId> together = tied;
    std::ranges::replace(together, second, first);
    if (!allowed_to_all(graph, together, first).empty()) tied = std::move(together);
  };
  std::map<ValueId, LayerId> first_user;
  for (const Node& node : graph.nodes) {
    if (!node.op->compute || node.phase != Phase::Forward) continue;
    for (std::size_t input = 0; input < node.inputs.size(); ++input) {
      const bool table = node.op->name == "Embedding" && input == 0;
      if (!table && role_of_input(*node.op, input) != Role::Operand) continue;
      const ValueId weight = weight_behind(graph, node.inputs[input]);
      if (weight == kNone) continue;
      const auto [user, fresh] = first_user.try_emplace(weight, node.layer);
      if (!fresh) tie(user->second, node.layer);
    }
  }
  return tied;
}

std::vector<Precision> BuiltProblem::precision_of(const std::vector<int>& choice) const {
  std::vector<Precision> precision;
  for (const int layer : decision) {
    const auto i = static_cast<std::size_t>(layer);
    precision.push_back(options[i][static_cast<std::size_t>(choice[i])]);
  }
  return precision;
}

BuiltProblem build_problem(const StepGraph& step, const SpeedProfile& profile,
                           const SensitivityOf& sensitivity) {
  return Builder(step, profile, sensitivity).build();
}

}  // namespace mpsearch
