#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/plan_request.h"
#include "search/cli/profile_bar.h"
#include "search/cli/run_setup.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

struct Row {
  std::string policy;
  bool feasible = true;
  Plan plan;
};

std::vector<Row> rows_of(const Profiled& profiled, const PlanRequest& request,
                         const Backend& backend, std::int64_t budget) {
  const Graph& graph = profiled.model.graph;
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, const std::vector<Precision>& precision) {
    Row row{name, true, describe_plan(profiled, request, backend, precision)};
    row.feasible = budget == 0 || row.plan.peak_bytes <= budget;
    rows.push_back(std::move(row));
  };
  add("fp32", uniform_policy(graph, Precision::FP32));
  add("bf16", uniform_policy(graph, Precision::BF16));
  add("fp16", uniform_policy(graph, Precision::FP16));
  add("fp8", uniform_policy(graph, Precision::FP8));
  add("amp", amp_policy(graph, Precision::BF16));
  return rows;
}

int run(const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  RunSetup setup = set_up(invocation.arguments[0], options, console);
  add_search_options(options, setup.request);
  const Profiled profiled =
      profile_model(setup.model, setup.request, *setup.backend, setup.data(), profile_bar(console));
  const PlanAnswer answer = plan_within(profiled, setup.request, *setup.backend);
  std::vector<Row> rows = rows_of(profiled, setup.request, *setup.backend,
                                  options.given("budget") ? answer.budget_bytes : 0);
  const std::string searched = fmt::format("searched, {}", format_bytes(answer.budget_bytes));
  rows.push_back({searched, !answer.plan.layers.empty(), answer.plan});

  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> table;
  for (const Row& row : rows) {
    const bool known = row.feasible || row.policy != searched;
    out.push_back({{"policy", row.policy},
                   {"feasible", row.feasible},
                   {"peak_bytes", known ? nlohmann::ordered_json(row.plan.peak_bytes) : nullptr},
                   {"step_ms", known ? nlohmann::ordered_json(row.plan.step_ms) : nullptr},
                   {"sensitivity", known ? nlohmann::ordered_json(row.plan.sensitivity) : nullptr},
                   {"metric", nullptr}});
    table.push_back({row.policy, row.feasible ? "yes" : "no",
                     known ? format_bytes(row.plan.peak_bytes) : "-",
                     known ? fmt::format("{:.3f} ms", row.plan.step_ms) : "-",
                     known ? fmt::format("{:.2e}", row.plan.sensitivity) : "-"});
  }
  if (console.json()) {
    print_json(console, {{"rows", out}});
  } else {
    console.print(table_text({{"policy"},
                              {"fits"},
                              {"peak", Align::Right},
                              {"step", Align::Right},
                              {"sensitivity", Align::Right}},
                             table, console.width()));
  }
  return kExitOk;
}

}  // namespace

Verb compare_verb() {
  return {.name = "compare",
          .summary = "uniform precisions, AMP's lists and the searched plan in one table",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"compare lenet.onnx --data fashion-mnist/ --budget 70%"},
          .run = run};
}

}  // namespace mpsearch
