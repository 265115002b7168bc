// Runs any Graph in FP64 with the reference definitions, node by node. Used by tests of gradients
// and of whole nets (against PyTorch's FP64 results).
#pragma once

#include <vector>

#include "models/graph.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {

/// Initial content of every value: the data of parameters, constants and state (zeros for state
/// without data), nothing for inputs and computed values.
std::vector<Numbers> initial_numbers(const Graph& graph);

/// Runs all nodes in order. `values` has one entry a value, those that no node writes filled in;
/// the rest is filled, and state is changed in place. Throws std::logic_error naming a value that
/// is not given or has another number of elements than its type.
void run(const Graph& graph, std::vector<Numbers>& values);

}  // namespace mpsearch::reference
