#include "models/layers.h"

#include <algorithm>

#include "models/op.h"

namespace mpsearch {
namespace {

/// Layer of the latest node that feeds `node`, or kNone.
LayerId layer_before(const Graph& graph, const Node& node) {
  NodeId latest = kNone;
  for (const ValueId input : node.inputs) latest = std::max(latest, graph.value(input).producer);
  return latest == kNone ? kNone : graph.node(latest).layer;
}

}  // namespace

void group_layers(Graph& graph) {
  graph.layers.clear();
  for (Node& node : graph.nodes) {
    node.layer = node.op->compute || node.op->loss ? kNone : layer_before(graph, node);
    if (node.layer != kNone || node.op->view) continue;
    // What computes integers from integers is the same under every precision.
    if (!is_float(graph.value(node.outputs[0]).type.form.dtype)) continue;
    std::vector<Precision> possible(kPrecisions.begin(), kPrecisions.end());
    if (node.op->loss) possible = {Precision::FP32};
    graph.layers.push_back({node.name, std::string(node.op->name), possible, possible});
    node.layer = static_cast<LayerId>(graph.layers.size()) - 1;
  }
}

}  // namespace mpsearch
