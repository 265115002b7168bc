#include "search/bytes_alone.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "models/lower.h"
#include "models/op.h"

namespace mpsearch {
namespace {

SpeedProfile timeless(const StepGraph& step, const RecordedKernels& kernels,
                      const Backend& backend) {
  SpeedProfile profile;
  for (const KernelCall& call : calls_of(step)) {
    const std::string key = key_of(call);
    profile.timings[key] = {};
    profile.kernels[key] = choose_kernel(backend, kernels, call);
  }
  return profile;
}

}  // namespace

std::vector<KernelCall> calls_of(const StepGraph& step) {
  const Graph& graph = step.graph;
  const std::vector<Layout> layouts = assign_layouts(graph);
  std::vector<KernelCall> calls;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].op->view) continue;
    const auto id = static_cast<NodeId>(i);
    for (const Precision precision : allowed_of(graph, id)) {
      calls.push_back(call_under(graph, id, precision, layouts));
    }
  }
  std::ranges::move(cast_calls(graph, layouts), std::back_inserter(calls));
  return calls;
}

void add_leanest(std::span<const KernelCall> calls, const Backend& backend,
                 RecordedKernels& known) {
  for (const KernelCall& call : calls) {
    const auto [place, added] = known.try_emplace(key_of(call));
    if (!added) continue;
    const std::vector<KernelChoice> candidates = backend.candidates(call);
    const auto leanest = std::ranges::min_element(candidates, {}, &KernelChoice::workspace_bytes);
    place->second = leanest != candidates.end() ? *leanest : choose_kernel(backend, {}, call);
  }
}

Profiled profile_of_bytes(Model model, const PlanRequest& request, const RecordedKernels& kernels,
                          const Backend& backend) {
  Profiled profiled;
  profiled.model = std::move(model);
  profiled.step = training_graph(profiled.model, request.training);
  profiled.speed = timeless(profiled.step, kernels, backend);
  profiled.built =
      build_problem(profiled.step, profiled.speed, [](LayerId, Precision) { return 0.0; });
  return profiled;
}

Problem unlimited_problem(const Profiled& profiled) {
  Problem problem = profiled.built.problem;
  problem.limits.bytes = std::int64_t{1} << 60;
  return problem;
}

}  // namespace mpsearch
