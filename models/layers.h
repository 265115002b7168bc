// Layer grouping: which nodes are decided together. Used once after import; everything later
// follows Node::layer.
#pragma once

#include "models/graph.h"

namespace mpsearch {

/// Gives every forward node its layer: a compute node (Conv, MatMul, ...) opens one, norms,
/// activations and element-wise nodes join the layer of their latest input, a loss is a layer of
/// its own in FP32. Nodes before the first compute node form layers named after themselves.
void group_layers(Graph& graph);

}  // namespace mpsearch
