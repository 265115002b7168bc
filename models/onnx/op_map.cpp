#include "models/onnx/op_map.h"

#include <algorithm>
#include <map>

#include "models/onnx/import.h"

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

std::vector<KnownOperator> known_operators() {
  std::map<std::string_view, int> since;
  for (const OpRow& row : op_rows()) {
    const auto [entry, inserted] = since.emplace(row.op, row.since);
    if (!inserted) entry->second = std::min(entry->second, row.since);
  }
  std::vector<KnownOperator> out;
  for (const auto& [op, first] : since) out.push_back({std::string(op), first});
  return out;
}

}  // namespace mpsearch
