#include "runtime/memory_plan.h"

#include <algorithm>

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {
namespace {

bool persistent(const Value& value) {
  return value.kind == ValueKind::Parameter || value.kind == ValueKind::State ||
         value.kind == ValueKind::Constant;
}

/// First and last node of every root; inputs are written before node 0, outputs outlive the last.
std::vector<Placement> lifetimes(const Graph& graph) {
  std::vector<Placement> places(graph.values.size());
  const auto touch = [&](ValueId id, int node) {
    const ValueId root = graph.root(id);
    Placement& place = places[static_cast<std::size_t>(root)];
    place.last = std::max(place.last, node);
  };
  const auto touch_with_scale = [&](ValueId id, int node) {
    touch(id, node);
    if (graph.value(id).scale != kNone) touch(graph.value(id).scale, node);
  };
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op->view) continue;
    const int now = static_cast<int>(i);
    for (const ValueId input : node.inputs) touch_with_scale(input, now);
    for (const ValueId output : node.outputs) {
      places[static_cast<std::size_t>(output)].first = now;
      touch_with_scale(output, now);
    }
  }
  const int end = static_cast<int>(graph.nodes.size()) - 1;
  for (const ValueId output : graph.outputs) touch_with_scale(output, end);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (graph.root(static_cast<ValueId>(i)) != static_cast<ValueId>(i)) continue;
    places[i].bytes = aligned(value.type.bytes());
    if (persistent(value)) {
      places[i].first = 0;
      places[i].last = end;
    }
  }
  return places;
}

void fill_timeline(const Graph& graph, MemoryPlan& plan) {
  std::vector<std::int64_t> change(graph.nodes.size() + 1, 0);
  const auto add = [&](const Placement& place) {
    if (place.last < place.first || place.offset < 0) return;
    change[static_cast<std::size_t>(place.first)] += place.bytes;
    change[static_cast<std::size_t>(place.last) + 1] -= place.bytes;
  };
  for (std::size_t i = 0; i < plan.values.size(); ++i) {
    if (!persistent(graph.values[i])) add(plan.values[i]);
  }
  for (const Placement& place : plan.workspaces) add(place);
  plan.timeline.resize(graph.nodes.size());
  std::int64_t live = plan.persistent;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    live += change[i];
    plan.timeline[i] = live;
    plan.live_peak = std::max(plan.live_peak, live);
  }
}

}  // namespace

MemoryPlan plan_memory(const Graph& graph, const FixedOffsets& fixed, std::int64_t fixed_bytes) {
  MemoryPlan plan;
  plan.values = lifetimes(graph);
  plan.workspaces.resize(graph.nodes.size());
  plan.persistent = fixed_bytes;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (!persistent(value)) continue;
    if (fixed.empty()) {
      plan.values[i].offset = plan.persistent;
      plan.persistent += plan.values[i].bytes;
    } else {
      const auto found = fixed.find(value.name);
      require(found != fixed.end(), ErrorKind::Internal,
              "'" + value.name + "' has no place in the shared arena");
      plan.values[i].offset = found->second;
    }
  }
  std::vector<Placement*> blocks;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    Placement& place = plan.values[i];
    if (!persistent(graph.values[i]) && place.last >= place.first && place.bytes > 0) {
      place.offset = 0;
      blocks.push_back(&place);
    }
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::int64_t bytes = aligned(graph.nodes[i].kernel.workspace_bytes);
    if (bytes == 0) continue;
    const int now = static_cast<int>(i);
    plan.workspaces[i] = {0, bytes, now, now};
    blocks.push_back(&plan.workspaces[i]);
  }
  plan.live_peak = plan.persistent;
  fill_timeline(graph, plan);
  plan.peak = pack(blocks, plan.persistent, plan.live_peak);
  return plan;
}

FixedOffsets persistent_offsets(const Graph& graph, const MemoryPlan& plan) {
  FixedOffsets offsets;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (persistent(graph.values[i])) offsets[graph.values[i].name] = plan.values[i].offset;
  }
  return offsets;
}

PeakParts parts_at_peak(const Graph& graph, const MemoryPlan& plan, NodeId* event) {
  const auto highest =
      static_cast<int>(std::ranges::max_element(plan.timeline) - plan.timeline.begin());
  if (event != nullptr) *event = highest;
  PeakParts parts;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Placement& place = plan.values[i];
    const Value& value = graph.values[i];
    if (place.offset < 0 || highest < place.first || highest > place.last) continue;
    if (value.kind == ValueKind::Parameter) {
      parts.parameters += place.bytes;
    } else if (persistent(value)) {
      parts.state += place.bytes;
    } else if (value.kind == ValueKind::Input) {
      parts.inputs += place.bytes;
    } else if (value.gradient_of != kNone &&
               graph.value(value.gradient_of).kind == ValueKind::Parameter) {
      parts.gradients += place.bytes;
    } else {
      const Node& producer = graph.node(value.producer);
      const bool cast = producer.op->name == "Cast" || producer.op->name == "Quantize";
      const bool of_parameter =
          cast && graph.value(graph.root(producer.inputs[0])).kind == ValueKind::Parameter;
      (of_parameter ? parts.copies : parts.activations) += place.bytes;
    }
  }
  for (const Placement& place : plan.workspaces) {
    if (place.bytes > 0 && highest >= place.first && highest <= place.last) {
      parts.workspace += place.bytes;
    }
  }
  return parts;
}

}  // namespace mpsearch
