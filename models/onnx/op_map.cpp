#include "models/onnx/op_map.h"

namespace mpsearch {

const std::vector<OpRow>& op_rows() {
  static const std::vector<OpRow> kRows = [] {
    std::vector<OpRow> rows = convolution_rows();
    for (const auto& family : {general_rows(), shape_rows()}) {
      rows.insert(rows.end(), family.begin(), family.end());
    }
    return rows;
  }();
  return kRows;
}

const OpRow* find_row(std::string_view op, int opset) {
  const OpRow* best = nullptr;
  for (const OpRow& row : op_rows()) {
    if (row.op != op || row.since > opset) continue;
    if (best == nullptr || row.since > best->since) best = &row;
  }
  return best;
}

}  // namespace mpsearch
