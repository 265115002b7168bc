// Prepared: a model under a plan, lowered and placed: everything that is known before anything is
// allocated. The planner reads its prediction here and the session runs exactly this.
#pragma once

#include <cstdint>
#include <span>

#include "models/lower.h"
#include "models/training.h"
#include "runtime/memory_plan.h"

namespace mpsearch {

/// One graph that runs: the step graph, what it was lowered to, and where its values lie.
struct PreparedGraph {
  StepGraph step;
  Lowered lowered;
  MemoryPlan memory;

  /// The lowered value of a step-graph value (its root's, as written); kNone stays kNone.
  ValueId lowered_value(ValueId id) const {
    return id == kNone ? kNone : lowered.value_of[static_cast<std::size_t>(step.graph.root(id))];
  }
};

struct Prepared {
  PreparedGraph training;
  PreparedGraph evaluation;  // shares the training arena: same persistent values, same offsets
  std::int64_t peak = 0;     // bytes of the arena: the larger of the two
};

/// Lowers and places a step graph (training_graph's answer).
PreparedGraph prepare_graph(StepGraph step, std::span<const Precision> precision,
                            const ChooseKernel& choose);

/// Both graphs of a model. `precision`: one entry a layer of the model; the loss is FP32.
Prepared prepare(const Model& model, const TrainingOptions& options,
                 std::span<const Precision> precision, const ChooseKernel& choose);

}  // namespace mpsearch
