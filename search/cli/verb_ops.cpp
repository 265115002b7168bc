#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/backend.h"
#include "search/cli/exit_code.h"
#include "search/cli/operator_table.h"
#include "search/cli/output.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

int run(const Invocation&, Console& console) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> table;
  for (const OperatorRow& row : operator_rows(*backend)) {
    const KnownOperator& known = row.known;
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
