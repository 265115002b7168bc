// The losses of a step graph: from the model's outputs to the one number that is trained. Used by
// training.cpp.
#pragma once

#include <cstddef>
#include <string>

#include "models/training.h"

namespace mpsearch {

/// A value that the host writes or keeps.
ValueId add_given(Graph& graph, std::string name, TensorType type, ValueKind kind);

/// The type of a record (StepInputs, StepState) of so many bytes.
TensorType record_type(std::size_t bytes);

/// Output `index` of the model behind its final activation, which import left out.
ValueId activated_output(Graph& graph, const Model& model, std::size_t index);

/// Adds targets, step inputs and the losses. Hits are counted for the first output with classes.
void add_losses(StepGraph& step, const Model& model, const TrainingOptions& options);

}  // namespace mpsearch
