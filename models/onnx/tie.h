// Tied weights that an exporter has torn apart: PyTorch's folds the transpose between an embedding
// and the product that shares it into a second tensor. Internal to models/onnx.
#pragma once

#include <vector>

#include "models/model.h"
#include "models/onnx/file.h"

namespace mpsearch {

/// Products whose weight holds exactly the elements of an embedding's table.
std::vector<Tie> tied_weights(const ModelFile& file);

}  // namespace mpsearch
