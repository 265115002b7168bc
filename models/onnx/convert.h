// The walk over the file's nodes that makes the canonical graph. Internal to models/onnx.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/onnx/check.h"
#include "models/onnx/scope.h"

namespace mpsearch {

struct Conversion {
  Model model;
  std::vector<int> origin;                    // node of model.graph -> node of the file
  std::vector<std::pair<int, int>> biases;    // nodes of the file: a sum that went into a product
  std::vector<std::pair<int, int>> absorbed;  // and one that went into another, whose layer it has
  std::vector<Unsupported> unsupported;       // the graph is incomplete unless empty
};

/// Converts a checked file. `load_weights` off leaves the data of parameters out. Throws BadContent
/// with the node where the file contradicts itself, Usage for patterns.
Conversion convert(const ModelFile& file, const InputSizes& sizes, const ImportOptions& options,
                   bool load_weights);

}  // namespace mpsearch
