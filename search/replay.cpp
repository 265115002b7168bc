#include "search/replay.h"

#include <algorithm>
#include <map>
#include <set>

#include "models/op.h"
#include "runtime/host_tensor.h"

namespace mpsearch {
namespace {

/// The forward nodes of a layer as a graph of their own, with the cut's values as inputs, outputs.
Graph graph_of(const Graph& graph, const LayerCut& cut) {
  Graph part;
  Layer layer = graph.layers[static_cast<std::size_t>(cut.layer)];
  layer.allowed = layer.possible;
  part.layers.push_back(std::move(layer));
  std::map<ValueId, ValueId> mapped;
  for (const ValueId id : cut.inputs) {
    Value value = graph.value(id);
    value.kind = ValueKind::Input;
    value.producer = kNone;
    value.data.reset();
    value.gradient_of = kNone;
    mapped[id] = part.add_value(std::move(value));
    part.inputs.push_back(mapped[id]);
  }
  for (const Node& from : graph.nodes) {
    if (from.phase != Phase::Forward) continue;
    const bool known =
        std::ranges::all_of(from.inputs, [&](ValueId input) { return mapped.contains(input); });
    if (!known || (from.layer != cut.layer && !from.op->view)) continue;
    Node node = from;
    const auto id = static_cast<NodeId>(part.nodes.size());
    node.layer = from.op->view ? kNone : 0;
    for (ValueId& input : node.inputs) input = mapped[input];
    for (ValueId& output : node.outputs) {
      Value value = graph.value(output);
      value.producer = id;
      value.gradient_of = kNone;
      output = mapped[output] = part.add_value(std::move(value));
    }
    part.nodes.push_back(std::move(node));
  }
  for (const ValueId id : cut.outputs) part.outputs.push_back(mapped.at(id));
  return part;
}

}  // namespace

std::vector<LayerCut> cut_layers(const Graph& graph) {
  std::vector<std::set<ValueId>> inputs(graph.layers.size());
  std::vector<std::set<ValueId>> outputs(graph.layers.size());
  for (const Node& node : graph.nodes) {
    if (node.phase != Phase::Forward || node.op->view || node.layer == kNone) continue;
    for (const ValueId input : node.inputs) {
      const ValueId root = graph.root(input);
      const NodeId producer = graph.value(root).producer;
      const LayerId from = producer == kNone ? kNone : graph.node(producer).layer;
      if (from == node.layer) continue;
      inputs[static_cast<std::size_t>(node.layer)].insert(root);
      const bool scored = from != kNone && is_float(graph.value(root).type.form.dtype);
      if (scored) outputs[static_cast<std::size_t>(from)].insert(root);
    }
  }
  std::vector<LayerCut> cuts;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    cuts.push_back({static_cast<LayerId>(i),
                    {inputs[i].begin(), inputs[i].end()},
                    {outputs[i].begin(), outputs[i].end()}});
  }
  return cuts;
}

Replay::Replay(const Graph& graph, const LayerCut& cut, Precision precision, const Backend& backend,
               const ChooseKernel& choose)
    : backend_(backend) {
  const Graph part = graph_of(graph, cut);
  const Precision chosen[] = {precision};
  lowered_ = lower(part, chosen, choose);
  memory_ = plan_memory(lowered_.graph);
  inputs_ = lowered_.graph.inputs;
  outputs_ = lowered_.graph.outputs;
  arena_ = backend.allocate(std::max(memory_.peak, kArenaAlignment));
  executable_ = compile(lowered_.graph, memory_, backend, arena_.get());
}

std::vector<std::vector<float>> Replay::run(std::span<const Bytes> inputs) const {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const TensorView view = view_of(lowered_.graph, memory_, arena_.get(), inputs_[i]);
    backend_.copy_to_device(view.data, inputs[i].data(), view.type.bytes());
  }
  backend_.run(executable_.steps);
  backend_.wait();
  std::vector<std::vector<float>> outputs;
  for (const ValueId id : outputs_) {
    const TensorView view = view_of(lowered_.graph, memory_, arena_.get(), id);
    Bytes content(static_cast<std::size_t>(view.type.bytes()));
    backend_.copy_to_host(content.data(), view.data, view.type.bytes());
    outputs.push_back(to_host(content, view.type));
  }
  return outputs;
}

}  // namespace mpsearch
