// MemoryPlan: where every value of a lowered graph lies in the one arena, and when. Pure: allocates
// nothing. Search predicts with it, training runs on it, so the two agree to the byte.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/graph.h"
#include "runtime/packing.h"

namespace mpsearch {

struct MemoryPlan {
  std::vector<Placement> values;       // by ValueId
  std::vector<Placement> workspaces;   // by NodeId
  std::int64_t persistent = 0;         // parameters, state and constants: [0, persistent)
  std::int64_t peak = 0;               // bytes of the arena
  std::int64_t live_peak = 0;          // greatest sum of live bytes: no arena can be smaller
  std::vector<std::int64_t> timeline;  // live bytes by node
};

/// Offsets of persistent values by name, to be shared between a training and an evaluation graph.
using FixedOffsets = std::map<std::string, std::int64_t>;

/// Plans the arena of a lowered graph. `fixed` (optional) gives the persistent values' offsets and
/// `fixed_bytes` the size of that region; otherwise they are laid out first, in order.
MemoryPlan plan_memory(const Graph& graph, const FixedOffsets& fixed = {},
                       std::int64_t fixed_bytes = 0);

FixedOffsets persistent_offsets(const Graph& graph, const MemoryPlan& plan);

/// What the bytes live at the peak are, by role; sums to MemoryPlan::live_peak.
struct PeakParts {
  std::int64_t parameters = 0;  // masters
  std::int64_t state = 0;       // moments, running statistics, step state, constants
  std::int64_t copies = 0;      // casts of parameters
  std::int64_t gradients = 0;   // of parameters
  std::int64_t activations = 0;
  std::int64_t workspace = 0;
  std::int64_t inputs = 0;
  std::int64_t weight_state() const { return parameters + state + copies + gradients; }
};

/// Parts at the event with the greatest live bytes, and that event's node.
PeakParts parts_at_peak(const Graph& graph, const MemoryPlan& plan, NodeId* event = nullptr);

}  // namespace mpsearch
