// After the walk: the final activation, biases, unused nodes, layers, notes. Internal to
// models/onnx.
#pragma once

#include <vector>

#include "models/onnx/convert.h"

namespace mpsearch {

/// Throws Usage where a --freeze or --train pattern matches nothing.
Conversion finish(Scope scope, std::vector<Unsupported> unsupported);

}  // namespace mpsearch
