#include "search/cli/operator_table.h"

#include <fmt/format.h>

#include "models/lower.h"
#include "models/op.h"

namespace mpsearch {
namespace {

/// A graph that holds one call of the operator.
Graph graph_of(const OpDef& op, const OpSample& sample) {
  Graph graph;
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    Value value;
    value.name = fmt::format("x{}", i);
    value.type = sample.inputs[i];
    value.kind = static_cast<int>(i) == op.weight ? ValueKind::Parameter : ValueKind::Input;
    inputs.push_back(graph.add_value(std::move(value)));
  }
  graph.add_node("node", op.name, std::move(inputs), sample.attributes);
  return graph;
}

/// Whether the device has a kernel for the operator's first sample under the precision.
bool computes(const Backend& backend, const OpDef& op, Precision precision) {
  const std::vector<OpSample> samples = op.samples();
  if (op.view || samples.empty()) return true;
  const Graph graph = graph_of(op, samples[0]);
  return !backend.candidates(call_under(graph, 0, precision, assign_layouts(graph))).empty();
}

/// An operator that import expresses by others has their gradients and precisions: all.
OperatorRow row_of(const Backend& backend, const KnownOperator& known) {
  OperatorRow row{known, true, {}};
  const OpDef* const op = find_op(known.op);
  // Our own Cast is the change of format; ONNX's passes gradients on.
  if (op != nullptr && known.op != "Cast") row.gradient = op->gradient != nullptr;
  for (const Precision precision : kPrecisions) {
    const bool composed = op == nullptr || op->samples == nullptr;
    if (composed || computes(backend, *op, precision)) row.precisions.push_back(name_of(precision));
  }
  return row;
}

}  // namespace

std::vector<OperatorRow> operator_rows(const Backend& backend) {
  std::vector<OperatorRow> rows;
  for (const KnownOperator& known : known_operators()) rows.push_back(row_of(backend, known));
  return rows;
}

}  // namespace mpsearch
