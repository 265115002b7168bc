// lower(): a step graph and a precision per layer become the graph that runs: every value in its
// final form, casts inserted once per tensor and form, a kernel on every node. schedule_of() lists
// every node and every possible cast in order, whatever is chosen: planner and runtime share it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "models/graph.h"

namespace mpsearch {

/// Layout of each node's image tensors: ChannelsLast around convolutions, pools and batch norms.
std::vector<Layout> assign_layouts(const Graph& graph);

/// Form in which node `id` reads input `index`, or writes output `index`, when its layer has
/// `precision`. The only place where precision becomes dtype. `layouts` is assign_layouts' answer.
Form form_of_input(const Graph& graph, NodeId id, std::size_t index, Precision precision,
                   std::span<const Layout> layouts);
Form form_of_output(const Graph& graph, NodeId id, std::size_t index, Precision precision,
                    std::span<const Layout> layouts);

/// The call that step-graph node `id` makes when its layer has `precision`.
KernelCall call_under(const Graph& graph, NodeId id, Precision precision,
                      std::span<const Layout> layouts);

/// Layer::possible and Layer::allowed of a node's layer; FP32 where it belongs to none.
std::span<const Precision> possible_of(const Graph& graph, NodeId id);
std::span<const Precision> allowed_of(const Graph& graph, NodeId id);

/// What a cast makes: `form` of value `base`. The base is a root, except where a view that changes
/// the shape is wanted ChannelsLast: then it is that view.
struct Copy {
  ValueId base = kNone;
  Form form;
  auto operator<=>(const Copy&) const = default;
};

/// The copy that a use of `value` in `form` needs (the written form itself included).
Copy copy_for(const Graph& graph, ValueId value, Form form);

/// One event of the fixed schedule: node `node`, or (node == kNone) the cast of `copy` from the
/// written form `from`. Narrowing casts of computed values follow the write, all others precede the
/// first node that could read the copy under any possible precision. What the search excludes does
/// not move an event: a plan is packed the same whatever it was chosen from.
struct Event {
  NodeId node = kNone;
  Copy copy;
  Form from;
};

std::vector<Event> schedule_of(const Graph& graph, std::span<const Layout> layouts);

/// The call of a cast from `from` to the copy: Cast, or Quantize where the form is FP8.
KernelCall cast_call(const Graph& graph, const Copy& copy, Form from);

/// Every cast that a plan of allowed precisions could need.
std::vector<KernelCall> cast_calls(const Graph& graph, std::span<const Layout> layouts);

/// Picks the kernel of a call. Throws Unavailable where there is none.
using ChooseKernel = std::function<KernelChoice(const KernelCall&)>;

struct Lowered {
  Graph graph;                    // values keep their names; copies are "NAME@FORM"
  std::vector<ValueId> value_of;  // step-graph root -> its lowered value as written
  std::vector<int> event_of;      // lowered node -> index in schedule_of; a view: kNone
};

/// `precision`: one entry a layer of the graph.
Lowered lower(const Graph& graph, std::span<const Precision> precision, const ChooseKernel& choose);

}  // namespace mpsearch
