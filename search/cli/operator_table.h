// What `mpsearch ops` and docs/operators.md say of each ONNX operator that import knows.
#pragma once

#include <string_view>
#include <vector>

#include "models/onnx/import.h"
#include "runtime/backend.h"

namespace mpsearch {

struct OperatorRow {
  KnownOperator known;
  bool gradient = true;
  std::vector<std::string_view> precisions;  // in which the backend has kernels
};

/// One row an operator, by name.
std::vector<OperatorRow> operator_rows(const Backend& backend);

}  // namespace mpsearch
