// The fixed schedule: nodes and every cast that any choice could need, each in its own slot.
#include <algorithm>
#include <map>
#include <set>

#include "models/lower.h"
#include "models/op.h"

namespace mpsearch {
namespace {

struct Cast {
  Copy copy;
  Form from;
  auto operator<=>(const Cast&) const = default;
};

/// The casts that precede and follow each node, in a fixed order.
struct Slots {
  std::vector<std::vector<Cast>> before, after;
};

using PrecisionsOf = std::span<const Precision> (*)(const Graph&, NodeId);

/// Forms in which a root may be written under the precisions of its writer.
std::set<Form> written_forms(const Graph& graph, ValueId root, std::span<const Layout> layouts,
                             PrecisionsOf precisions_of) {
  const Value& value = graph.value(root);
  if (value.producer == kNone) return {value.type.form};
  const Node& writer = graph.node(value.producer);
  const auto index =
      static_cast<std::size_t>(std::ranges::find(writer.outputs, root) - writer.outputs.begin());
  std::set<Form> forms;
  for (const Precision precision : precisions_of(graph, value.producer)) {
    forms.insert(form_of_output(graph, value.producer, index, precision, layouts));
  }
  return forms;
}

bool narrowing(Form from, Form to) { return bits_of(to.dtype) < bits_of(from.dtype); }

Slots slots_of(const Graph& graph, std::span<const Layout> layouts, PrecisionsOf precisions_of) {
  Slots slots{std::vector<std::vector<Cast>>(graph.nodes.size()),
              std::vector<std::vector<Cast>>(graph.nodes.size())};
  std::set<Copy> seen;
  std::map<ValueId, std::set<Form>> written;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = graph.nodes[i];
    if (node.op->view) continue;
    for (std::size_t input = 0; input < node.inputs.size(); ++input) {
      const ValueId root = graph.root(node.inputs[input]);
      const auto [forms, first] = written.try_emplace(root);
      if (first) forms->second = written_forms(graph, root, layouts, precisions_of);
      for (const Precision precision : precisions_of(graph, id)) {
        const Copy copy = copy_for(graph, node.inputs[input],
                                   form_of_input(graph, id, input, precision, layouts));
        if (!seen.insert(copy).second) continue;
        const NodeId writer = graph.value(root).producer;
        for (const Form from : forms->second) {
          if (from == copy.form && copy.base == root) continue;
          const bool after = writer != kNone && copy.base == root && narrowing(from, copy.form);
          auto& slot = after ? slots.after[static_cast<std::size_t>(writer)] : slots.before[i];
          slot.push_back({copy, from});
        }
      }
    }
  }
  for (auto& slot : slots.before) std::ranges::sort(slot);
  for (auto& slot : slots.after) std::ranges::sort(slot);
  return slots;
}

}  // namespace

Copy copy_for(const Graph& graph, ValueId value, Form form) {
  const ValueId root = graph.root(value);
  const bool reshaped = graph.value(root).type.shape != graph.value(value).type.shape;
  return {reshaped && form.layout == Layout::ChannelsLast ? value : root, form};
}

std::vector<Event> schedule_of(const Graph& graph, std::span<const Layout> layouts) {
  const Slots slots = slots_of(graph, layouts, possible_of);
  std::vector<Event> events;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].op->view) continue;
    for (const Cast& cast : slots.before[i]) events.push_back({kNone, cast.copy, cast.from});
    events.push_back({static_cast<NodeId>(i), {}, {}});
    for (const Cast& cast : slots.after[i]) events.push_back({kNone, cast.copy, cast.from});
  }
  return events;
}

KernelCall cast_call(const Graph& graph, const Copy& copy, Form from) {
  const Shape& shape = graph.value(copy.base).type.shape;
  // A reshaped view is cast from RowMajor (lower.cpp reorders its root first where need be).
  if (graph.root(copy.base) != copy.base) from.layout = Layout::RowMajor;
  const TensorType source{shape, from};
  const TensorType target{shape, copy.form};
  if (is_fp8(copy.form.dtype)) {
    return {"Quantize", {{"recipe", "pow2"}}, {source}, {target, TensorType{{}, {}}}};
  }
  return {"Cast", {}, {source}, {target}};
}

std::vector<KernelCall> cast_calls(const Graph& graph, std::span<const Layout> layouts) {
  const Slots slots = slots_of(graph, layouts, allowed_of);
  std::vector<KernelCall> calls;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const auto* slot : {&slots.before[i], &slots.after[i]}) {
      for (const Cast& cast : *slot) calls.push_back(cast_call(graph, cast.copy, cast.from));
    }
  }
  return calls;
}

}  // namespace mpsearch
