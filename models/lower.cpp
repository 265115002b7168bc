#include "models/lower.h"

#include <algorithm>
#include <map>

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {
namespace {

class Lowering {
 public:
  Lowering(const Graph& graph, std::span<const Precision> precision, const ChooseKernel& choose)
      : graph_(graph),
        precision_(precision),
        choose_(choose),
        layouts_(assign_layouts(graph)),
        written_(graph.values.size(), kNone) {
    lowered_.graph.layers = graph.layers;
  }

  Lowered run() {
    collect_copies();
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      if (graph_.values[i].kind != ValueKind::Computed) given(static_cast<ValueId>(i));
    }
    const std::vector<Event> events = schedule_of(graph_, layouts_);
    for (std::size_t i = 0; i < events.size(); ++i) {
      event_ = static_cast<int>(i);
      if (events[i].node != kNone) {
        node(events[i].node);
      } else if (needed_.contains(events[i].copy) &&
                 form_of_root(events[i].copy) == events[i].from) {
        cast(events[i].copy);
      }
    }
    for (const ValueId output : graph_.outputs) {
      const ValueId root = graph_.root(output);
      lowered_.graph.outputs.push_back(seen_as(written_[index(root)], output));
    }
    lowered_.value_of = written_;
    lowered_.graph.verify();
    return std::move(lowered_);
  }

 private:
  static std::size_t index(int id) { return static_cast<std::size_t>(id); }

  Precision precision_of(NodeId id) const {
    const LayerId layer = graph_.node(id).layer;
    return layer == kNone ? Precision::FP32 : precision_[index(layer)];
  }

  Form form_of_use(NodeId id, std::size_t input) const {
    return form_of_input(graph_, id, input, precision_of(id), layouts_);
  }

  /// Form in which the root behind `copy` is written.
  Form form_of_root(const Copy& copy) const {
    return lowered_.graph.value(written_[index(graph_.root(copy.base))]).type.form;
  }

  void collect_copies() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].op->view) continue;
      for (std::size_t input = 0; input < graph_.nodes[i].inputs.size(); ++input) {
        const Form form = form_of_use(static_cast<NodeId>(i), input);
        needed_.emplace(copy_for(graph_, graph_.nodes[i].inputs[input], form), kNone);
      }
    }
  }

  void given(ValueId id) {
    Value value = graph_.value(id);
    value.gradient_of = kNone;
    written_[index(id)] = lowered_.graph.add_value(std::move(value));
    if (std::ranges::find(graph_.inputs, id) != graph_.inputs.end()) {
      lowered_.graph.inputs.push_back(written_[index(id)]);
    }
  }

  /// Appends a node whose outputs have the types of `call`.
  Node& append(Node node, const KernelCall& call, const std::vector<std::string>& names) {
    const auto id = static_cast<NodeId>(lowered_.graph.nodes.size());
    node.outputs.clear();
    for (std::size_t i = 0; i < call.outputs.size(); ++i) {
      Value value;
      value.name = names[i];
      value.type = call.outputs[i];
      value.producer = id;
      node.outputs.push_back(lowered_.graph.add_value(std::move(value)));
    }
    lowered_.graph.nodes.push_back(std::move(node));
    lowered_.event_of.push_back(lowered_.graph.nodes.back().op->view ? kNone : event_);
    return lowered_.graph.nodes.back();
  }

  /// A lowered RowMajor value under the shape of step-graph value `view`.
  ValueId seen_as(ValueId lowered, ValueId view) {
    const Shape& shape = graph_.value(view).type.shape;
    const Value& value = lowered_.graph.value(lowered);
    if (value.type.shape == shape) return lowered;
    const auto [place, first] = views_.try_emplace({lowered, shape}, kNone);
    if (!first) return place->second;
    KernelCall call{"Reshape", {{"shape", shape}}, {}, {{shape, value.type.form}}};
    Node node{.name = graph_.value(view).name,
              .op = find_op("Reshape"),
              .inputs = {lowered},
              .outputs = {},
              .attributes = call.attributes,
              .phase = Phase::Forward,
              .layer = kNone,
              .kernel = {}};
    const std::string name = graph_.value(view).name + '@' + to_string(value.type.form);
    const ValueId scale = value.scale;
    place->second = append(std::move(node), call, {name}).outputs[0];
    lowered_.graph.value(place->second).scale = scale;
    return place->second;
  }

  /// The lowered value that holds `copy`, made by its cast before.
  ValueId held(const Copy& copy) {
    const ValueId root = graph_.root(copy.base);
    if (copy.base == root && form_of_root(copy) == copy.form) return written_[index(root)];
    const auto found = needed_.find(copy);
    require(found != needed_.end() && found->second != kNone, ErrorKind::Internal,
            "'" + graph_.value(root).name + "' is read as " + to_string(copy.form) +
                " before it is cast");
    return found->second;
  }

  void cast(const Copy& copy) {
    const ValueId root = graph_.root(copy.base);
    if (copy.base == root && form_of_root(copy) == copy.form) return;
    ValueId source = written_[index(root)];
    if (copy.base != root) {
      // A reshaped view wanted ChannelsLast starts from RowMajor.
      Form row_major = form_of_root(copy);
      if (row_major.layout != Layout::RowMajor) {
        row_major.layout = Layout::RowMajor;
        source = cast_node(source, {root, row_major});
      }
      source = seen_as(source, copy.base);
    }
    needed_[copy] = cast_node(source, copy);
  }

  ValueId cast_node(ValueId source, const Copy& copy) {
    const Value& from = lowered_.graph.value(source);
    const KernelCall call = cast_call(graph_, copy, from.type.form);
    const Value& base = graph_.value(copy.base);
    const std::string name = base.name + '@' + to_string(copy.form);
    // A cast belongs to the layer that wrote the value; a given one has none.
    const NodeId producer = graph_.value(graph_.root(copy.base)).producer;
    Node node{.name = name,
              .op = find_op(call.op),
              .inputs = {source},
              .outputs = {},
              .attributes = call.attributes,
              .phase = producer == kNone ? Phase::Forward : graph_.node(producer).phase,
              .layer = producer == kNone ? kNone : graph_.node(producer).layer,
              .kernel = choose_(call)};
    const Node& added = append(std::move(node), call, {name, name + ".scale"});
    if (added.outputs.size() > 1) {
      lowered_.graph.value(added.outputs[0]).scale = added.outputs[1];
    }
    return added.outputs[0];
  }

  void node(NodeId id) {
    const Node& from = graph_.node(id);
    Node node = from;
    KernelCall call{std::string(from.op->name), from.attributes, {}, {}};
    for (std::size_t i = 0; i < from.inputs.size(); ++i) {
      const Copy copy = copy_for(graph_, from.inputs[i], form_of_use(id, i));
      const ValueId lowered = held(copy);
      node.inputs[i] = copy.base == from.inputs[i] ? lowered : seen_as(lowered, from.inputs[i]);
      call.inputs.push_back(lowered_.graph.value(node.inputs[i]).type);
    }
    std::vector<std::string> names;
    for (std::size_t i = 0; i < from.outputs.size(); ++i) {
      const Value& value = graph_.value(from.outputs[i]);
      names.push_back(value.name);
      call.outputs.push_back(
          {value.type.shape, form_of_output(graph_, id, i, precision_of(id), layouts_)});
    }
    node.kernel = choose_(call);
    const Node& added = append(std::move(node), call, names);
    const std::vector<ValueId> outputs = added.outputs;
    for (std::size_t i = 0; i < from.outputs.size(); ++i) {
      written_[index(from.outputs[i])] = outputs[i];
      const ValueId of = graph_.value(from.outputs[i]).gradient_of;
      if (of != kNone) lowered_.graph.value(outputs[i]).gradient_of = written_[index(of)];
    }
  }

  const Graph& graph_;
  std::span<const Precision> precision_;
  const ChooseKernel& choose_;
  std::vector<Layout> layouts_;
  std::vector<ValueId> written_;    // step-graph value -> lowered value as written
  std::map<Copy, ValueId> needed_;  // copies in use -> lowered value, once made
  std::map<std::pair<ValueId, Shape>, ValueId> views_;
  int event_ = kNone;
  Lowered lowered_;
};

}  // namespace

Lowered lower(const Graph& graph, std::span<const Precision> precision,
              const ChooseKernel& choose) {
  require(precision.size() == graph.layers.size(), ErrorKind::Internal,
          "lower() needs one precision for each layer");
  return Lowering(graph, precision, choose).run();
}

}  // namespace mpsearch
