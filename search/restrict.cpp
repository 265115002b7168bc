#include "search/restrict.h"

#include <fnmatch.h>

#include <algorithm>
#include <iterator>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/lower.h"
#include "models/op.h"

namespace mpsearch {
namespace {

constexpr std::string_view kOpPrefix = "op:";

/// The first and the last layer that read a parameter in a matrix product.
std::pair<LayerId, LayerId> weighted_edges(const Graph& graph) {
  std::pair<LayerId, LayerId> edges{kNone, kNone};
  for (const Node& node : graph.nodes) {
    if (!node.op->compute || node.phase != Phase::Forward) continue;
    const bool weighted = std::ranges::any_of(node.inputs, [&](ValueId input) {
      return graph.value(graph.root(input)).kind == ValueKind::Parameter;
    });
    if (!weighted) continue;
    if (edges.first == kNone) edges.first = node.layer;
    edges.second = node.layer;
  }
  return edges;
}

/// Keeps in every layer only the precisions for which all its nodes have kernels.
void exclude_missing_kernels(Graph& graph, const StepGraph& step, Exclusions& exclusions,
                             const Backend& backend) {
  const std::vector<Layout> layouts = assign_layouts(step.graph);
  for (std::size_t i = 0; i < step.graph.nodes.size(); ++i) {
    const Node& node = step.graph.nodes[i];
    if (node.op->view || node.layer == kNone ||
        static_cast<std::size_t>(node.layer) >= graph.layers.size()) {
      continue;
    }
    const auto id = static_cast<NodeId>(i);
    for (const Precision precision : kPrecisions) {
      const std::vector<Precision>& allowed =
          graph.layers[static_cast<std::size_t>(node.layer)].allowed;
      if (std::ranges::find(allowed, precision) == allowed.end()) continue;
      if (backend.candidates(call_under(step.graph, id, precision, layouts)).empty()) {
        exclude(graph, exclusions, node.layer, precision,
                "no kernel for " + std::string(node.op->name) + " on this device");
      }
    }
  }
}

void apply_pin(Graph& graph, const Pin& pin, Exclusions& exclusions) {
  for (const LayerId layer : layers_matching(graph, pin.pattern)) {
    const std::vector<Precision> allowed = graph.layers[static_cast<std::size_t>(layer)].allowed;
    if (std::ranges::find(allowed, pin.precision) == allowed.end()) {
      const auto why = exclusions.find({layer, pin.precision});
      throw Error(ErrorKind::GoalNotMet,
                  {.what = "no plan obeys the pins: layer '" +
                           graph.layers[static_cast<std::size_t>(layer)].name + "' cannot be " +
                           std::string(name_of(pin.precision)),
                   .at = "--pin '" + pin.pattern + "'",
                   .why = why == exclusions.end() ? "another pin says otherwise" : why->second,
                   .try_ = "--pin with one of the precisions that the layer allows"});
    }
    for (const Precision precision : allowed) {
      if (precision != pin.precision) {
        exclude(graph, exclusions, layer, precision,
                "pinned to " + std::string(name_of(pin.precision)));
      }
    }
  }
}

}  // namespace

std::vector<LayerId> layers_matching(const Graph& graph, const std::string& pattern) {
  const bool by_op = pattern.starts_with(kOpPrefix);
  const std::string glob = by_op ? pattern.substr(kOpPrefix.size()) : pattern;
  std::vector<LayerId> found;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    names.push_back(by_op ? layer.op : layer.name);
    if (fnmatch(glob.c_str(), names.back().c_str(), 0) == 0) {
      found.push_back(static_cast<LayerId>(i));
    }
  }
  if (found.empty()) {
    const std::string near = did_you_mean(glob, names);
    throw Error(ErrorKind::Usage,
                {.what = "pattern '" + pattern + "' matches no layer",
                 .at = "--pin '" + pattern + "'",
                 .why = "the model has " + std::to_string(names.size()) + " layers",
                 .try_ = near.empty() ? "mpsearch inspect MODEL shows their names" : near});
  }
  return found;
}

void exclude(Graph& graph, Exclusions& exclusions, LayerId layer, Precision precision,
             std::string reason) {
  std::vector<Precision>& allowed = graph.layers[static_cast<std::size_t>(layer)].allowed;
  const auto found = std::ranges::find(allowed, precision);
  if (found == allowed.end() || allowed.size() == 1) return;
  allowed.erase(found);
  exclusions[{layer, precision}] = std::move(reason);
}

Exclusions restrict_to_device(Model& model, const TrainingOptions& options,
                              const Backend& backend) {
  Exclusions exclusions;
  exclude_missing_kernels(model.graph, training_graph(model, options), exclusions, backend);
  return exclusions;
}

void restrict_to(const Restrictions& restrictions, Graph& graph, Exclusions& exclusions) {
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    for (const Precision precision : kPrecisions) {
      if (std::ranges::find(restrictions.precisions, precision) == restrictions.precisions.end()) {
        exclude(graph, exclusions, static_cast<LayerId>(i), precision, "not among --precisions");
      }
    }
  }
  if (!restrictions.fp8_edges) {
    const auto [first, last] = weighted_edges(graph);
    for (const LayerId edge : {first, last}) {
      if (edge == kNone) continue;
      exclude(graph, exclusions, edge, Precision::FP8,
              "first and last weighted layers stay above FP8 (--fp8-edges)");
    }
  }
  for (const Pin& pin : restrictions.pins) apply_pin(graph, pin, exclusions);
}

Exclusions restrict_layers(Model& model, const TrainingOptions& options,
                           const Restrictions& restrictions, const Backend& backend) {
  Exclusions exclusions = restrict_to_device(model, options, backend);
  restrict_to(restrictions, model.graph, exclusions);
  return exclusions;
}

std::vector<Precision> uniform_policy(const Graph& graph, Precision precision) {
  std::vector<Precision> policy;
  for (const Layer& layer : graph.layers) {
    const auto allows = [&](Precision wanted) {
      return std::ranges::find(layer.allowed, wanted) != layer.allowed.end();
    };
    Precision chosen = precision;
    if (!allows(chosen) && chosen == Precision::FP8) chosen = Precision::BF16;
    if (!allows(chosen)) chosen = allows(Precision::FP32) ? Precision::FP32 : layer.allowed[0];
    policy.push_back(chosen);
  }
  return policy;
}

std::vector<Precision> amp_policy(const Graph& graph, Precision half) {
  std::vector<Precision> policy = uniform_policy(graph, half);
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const OpDef* op = find_op(graph.layers[i].op);
    if (op == nullptr || !op->compute) policy[i] = uniform_policy(graph, Precision::FP32)[i];
  }
  return policy;
}

}  // namespace mpsearch
