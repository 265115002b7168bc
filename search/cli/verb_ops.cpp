#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/lower.h"
#include "models/onnx/import.h"
#include "models/op.h"
#include "runtime/backend.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

struct Row {
  KnownOperator known;
  bool gradient = true;
  std::vector<std::string_view> precisions;
};

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
Row row_of(const Backend& backend, const KnownOperator& known) {
  Row row{known, true, {}};
  const OpDef* const op = find_op(known.op);
  // Our own Cast is the change of format; ONNX's passes gradients on.
  if (op != nullptr && known.op != "Cast") row.gradient = op->gradient != nullptr;
  for (const Precision precision : kPrecisions) {
    const bool composed = op == nullptr || op->samples == nullptr;
    if (composed || computes(backend, *op, precision)) row.precisions.push_back(name_of(precision));
  }
  return row;
}

int run(const Invocation&, Console& console) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> table;
  for (const KnownOperator& known : known_operators()) {
    const Row row = row_of(*backend, known);
    list.push_back({{"op", known.op},
                    {"since", known.since},
                    {"forward", true},
                    {"gradient", row.gradient},
                    {"precisions", row.precisions},
                    {"backends", {"cpu"}}});
    table.push_back({known.op, std::to_string(known.since), row.gradient ? "yes" : "no",
                     fmt::format("{}", fmt::join(row.precisions, " ")), "cpu"});
  }
  if (console.json()) {
    print_json(console, list);
  } else {
    console.print(table_text(
        {{"operator"}, {"since opset", Align::Right}, {"gradient"}, {"precisions"}, {"backends"}},
        table, console.width()));
  }
  return kExitOk;
}

}  // namespace

Verb ops_verb() {
  return {.name = "ops",
          .summary = "the ONNX operators that can be trained",
          .examples = {"ops", "ops --json"},
          .run = run};
}

}  // namespace mpsearch
