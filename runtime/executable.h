// Executable: a lowered graph bound to an arena, a flat vector of steps run by one loop.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "models/graph.h"
#include "runtime/backend.h"
#include "runtime/memory_plan.h"

namespace mpsearch {

struct Executable {
  std::vector<BoundKernel> steps;
  std::vector<NodeId> nodes;  // the lowered node of each step
};

/// Binds every node but views. Throws Unavailable where a node's kernel cannot be bound.
Executable compile(const Graph& lowered, const MemoryPlan& memory, const Backend& backend,
                   std::byte* arena);

/// The view of a value in the arena; its scale included.
TensorView view_of(const Graph& lowered, const MemoryPlan& memory, std::byte* arena, ValueId id);

/// Picks kernels: the recorded choice of the call's key where there is one, else the backend's
/// first candidate. Throws Unavailable where the backend has no kernel.
using RecordedKernels = std::map<std::string, KernelChoice>;
KernelChoice choose_kernel(const Backend& backend, const RecordedKernels& recorded,
                           const KernelCall& call);

}  // namespace mpsearch
