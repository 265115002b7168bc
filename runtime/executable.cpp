#include "runtime/executable.h"

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {

TensorView view_of(const Graph& lowered, const MemoryPlan& memory, std::byte* arena, ValueId id) {
  const auto place_of = [&](ValueId value) {
    return arena + memory.values[static_cast<std::size_t>(lowered.root(value))].offset;
  };
  const Value& value = lowered.value(id);
  return {place_of(id),
          value.scale == kNone ? nullptr : reinterpret_cast<float*>(place_of(value.scale)),
          value.type};
}

Executable compile(const Graph& lowered, const MemoryPlan& memory, const Backend& backend,
                   std::byte* arena) {
  Executable executable;
  for (std::size_t i = 0; i < lowered.nodes.size(); ++i) {
    const Node& node = lowered.nodes[i];
    if (node.op->view) continue;
    KernelViews views;
    for (const ValueId id : node.inputs) {
      views.inputs.push_back(view_of(lowered, memory, arena, id));
    }
    for (const ValueId id : node.outputs) {
      views.outputs.push_back(view_of(lowered, memory, arena, id));
    }
    if (memory.workspaces[i].bytes > 0) views.workspace = arena + memory.workspaces[i].offset;
    executable.steps.push_back(backend.bind(call_of(lowered, node), node.kernel, views));
    executable.nodes.push_back(static_cast<NodeId>(i));
  }
  return executable;
}

KernelChoice choose_kernel(const Backend& backend, const RecordedKernels& recorded,
                           const KernelCall& call) {
  if (!recorded.empty()) {
    const auto found = recorded.find(key_of(call));
    if (found != recorded.end()) return found->second;
  }
  std::vector<KernelChoice> choices = backend.candidates(call);
  if (choices.empty()) {
    throw Error(ErrorKind::Unavailable, {.what = "no kernel for " + call.op + " on device '" +
                                                 backend.identity().backend + "'",
                                         .at = key_of(call),
                                         .why = "the backend offers no algorithm for these types",
                                         .try_ = "--pin 'op:" + call.op + "=fp32'"});
  }
  return std::move(choices.front());
}

}  // namespace mpsearch
