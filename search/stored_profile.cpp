// The profile as a stored document, for `mpsearch profile` and the report.
#include <algorithm>
#include <cmath>

#include "models/lower.h"
#include "models/op.h"
#include "search/planner.h"
#include "search/profile_cache.h"

namespace mpsearch {
namespace {

/// Times of one layer under one precision, from the timings of its nodes' calls.
LayerProfile layer_profile(const Profiled& profiled, std::span<const Layout> layouts, LayerId id,
                           Precision precision) {
  const Layer& layer = profiled.step.graph.layers[static_cast<std::size_t>(id)];
  LayerProfile entry;
  entry.name = layer.name;
  entry.op = layer.op;
  entry.precision = precision;
  double variance = 0;
  for (std::size_t i = 0; i < profiled.step.graph.nodes.size(); ++i) {
    const Node& node = profiled.step.graph.nodes[i];
    if (node.layer != id || node.op->view) continue;
    const auto found = profiled.speed.timings.find(
        key_of(call_under(profiled.step.graph, static_cast<NodeId>(i), precision, layouts)));
    if (found == profiled.speed.timings.end()) continue;
    const double ms = runs_in_step(node.phase, profiled.step.micro_batches) * found->second.ms;
    variance += ms * found->second.spread * ms * found->second.spread;
    (node.phase == Phase::Forward    ? entry.forward_ms
     : node.phase == Phase::Backward ? entry.backward_ms
                                     : entry.update_ms) += ms;
  }
  const double total = entry.forward_ms + entry.backward_ms + entry.update_ms;
  entry.spread = total > 0 ? std::sqrt(variance) / total : 0;
  if (const auto score = profiled.sensitivity.scores.find({id, precision});
      score != profiled.sensitivity.scores.end()) {
    entry.sensitivity = score->second.score;
    entry.sensitivity_error = score->second.error;
  } else if (precision == Precision::FP32) {
    entry.sensitivity = 0;
    entry.sensitivity_error = 0;
  }
  return entry;
}

}  // namespace

std::vector<std::string> notes_of(const Profiled& profiled) {
  std::vector<std::string> notes = profiled.model.notes;
  if (profiled.synthetic) {
    notes.emplace_back("sensitivity was measured on random inputs and labels (no --data)");
  }
  return notes;
}

Profile stored_profile(const Profiled& profiled, const PlanRequest& request,
                       const Backend& backend) {
  Profile profile;
  profile.tool_version = kToolVersion;
  profile.model = {profiled.model.name, profiled.model.sha256};
  profile.device = backend.identity();
  profile.settings = settings_of(profiled.model, request);
  profile.steps = profiled.sensitivity.steps;
  profile.warm_up_steps = profiled.sensitivity.warmup_steps;
  profile.fp32_step_ms = profiled.fp32_step_ms;
  profile.notes = notes_of(profiled);
  const std::vector<Layout> layouts = assign_layouts(profiled.step.graph);
  for (std::size_t i = 0; i < profiled.model.graph.layers.size(); ++i) {
    const auto id = static_cast<LayerId>(i);
    for (const Precision precision : profiled.model.graph.layers[i].allowed) {
      profile.layers.push_back(layer_profile(profiled, layouts, id, precision));
    }
    for (const auto& [key, reason] : profiled.exclusions) {
      if (key.first != id) continue;
      LayerProfile excluded;
      excluded.name = profiled.model.graph.layers[i].name;
      excluded.op = profiled.model.graph.layers[i].op;
      excluded.precision = key.second;
      excluded.excluded = reason;
      profile.layers.push_back(std::move(excluded));
    }
  }
  for (const auto& [key, choice] : profiled.speed.kernels) {
    const auto timing = profiled.speed.timings.find(key);
    if (timing == profiled.speed.timings.end()) continue;
    profile.kernels.push_back({key, choice.algorithm, choice.workspace_bytes, choice.deterministic,
                               timing->second.ms, timing->second.spread, timing->second.repeats});
  }
  for (const KernelCall& call : cast_calls(profiled.step.graph, layouts)) {
    const auto timing = profiled.speed.timings.find(key_of(call));
    if (timing == profiled.speed.timings.end()) continue;
    CastTime cast{to_string(call.inputs[0].form), to_string(call.outputs[0].form),
                  call.inputs[0].bytes(), timing->second.ms, timing->second.spread};
    if (std::ranges::find(profile.casts, cast) == profile.casts.end()) {
      profile.casts.push_back(std::move(cast));
    }
  }
  return profile;
}

}  // namespace mpsearch
