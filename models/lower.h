// lower(): a step graph and a precision per layer become the graph that runs: every value in its
// final form, casts inserted once per tensor and form, a kernel on every node. The slots of the casts
// do not depend on the choice, so planner and runtime speak of the same schedule.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "models/graph.h"

namespace mpsearch {

/// Picks the kernel of a call. Throws (Unavailable) where there is none.
using ChooseKernel = std::function<KernelChoice(const KernelCall&)>;

/// The lowered graph. Values of the step graph keep their names; copies are "NAME@FORM".
struct Lowered {
  Graph graph;
  std::vector<ValueId> value_of;  // step-graph value -> lowered value (as written), kNone for unused
  std::vector<NodeId> origin;     // lowered node -> step-graph node; a cast: the node it was made for
};

Lowered lower(const Graph& graph, std::span<const Precision> precision, const ChooseKernel& choose);

/// Layout of every value of the graph (of its root): ChannelsLast around convolutions and pools.
std::vector<Layout> assign_layouts(const Graph& graph);

/// Form in which `node` reads input `index`, or writes output `index`, when its layer has
/// `precision`; `layouts` is assign_layouts' answer. The layout is the root's.
Form form_of_input(const Graph& graph, const Node& node, std::size_t index, Precision precision,
                   std::span<const Layout> layouts);
Form form_of_output(const Graph& graph, const Node& node, std::size_t index, Precision precision,
                    std::span<const Layout> layouts);

/// A place for a cast of value `root` to `to`: before or after a node of the step graph. Narrowing
/// casts of computed values follow the write; all others precede the first reader that could want
/// the form under any allowed precision.
struct CastSlot {
  NodeId node = kNone;
  bool after = false;
  ValueId root = kNone;
  Form to;
};

/// All slots, in schedule order.
std::vector<CastSlot> cast_slots(const Graph& graph, std::span<const Layout> layouts);

}  // namespace mpsearch
