#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/plan_request.h"
#include "search/cli/profile_bar.h"
#include "search/cli/recipe.h"
#include "search/cli/run_setup.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/train_run.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

struct Row {
  std::string policy;
  bool fits = true;
  std::optional<Plan> plan;  // none where the search found none
  std::optional<Metric> metric;
};

std::vector<Row> rows_of(const Profiled& profiled, const PlanRequest& request,
                         const Backend& backend, const PlanAnswer& answer, bool limited) {
  const Graph& graph = profiled.model.graph;
  std::vector<Row> rows;
  const auto add = [&](const std::string& name, const std::vector<Precision>& precision) {
    Row row{name, true, describe_plan(profiled, request, backend, precision), {}};
    row.fits = !limited || row.plan->peak_bytes <= answer.budget_bytes;
    rows.push_back(std::move(row));
  };
  add("fp32", uniform_policy(graph, Precision::FP32));
  add("bf16", uniform_policy(graph, Precision::BF16));
  add("fp16", uniform_policy(graph, Precision::FP16));
  add("fp8", uniform_policy(graph, Precision::FP8));
  add("amp", amp_policy(graph, Precision::BF16));
  Row searched{fmt::format("searched, {}", format_bytes(answer.budget_bytes)), false, {}, {}};
  if (!answer.plan.layers.empty()) {
    searched.fits = true;
    searched.plan = answer.plan;
  }
  rows.push_back(std::move(searched));
  return rows;
}

Metric trained_metric(const RunSetup& setup, const Row& row, const TrainSettings& settings,
                      Console& console) {
  Choice choice;
  choice.precision = precision_of(*row.plan, setup.model);
  choice.kernels = kernels_of(*row.plan);
  choice.name = row.policy;
  Session session(prepare_choice(setup, choice), *setup.backend);
  const RunResult result = run_training(setup, choice, session, settings, {}, console);
  if (result.outcome.stopped) {
    throw Error(ErrorKind::Interrupted, {.what = "interrupted while training " + row.policy,
                                         .at = setup.path,
                                         .why = "the table needs every row that fits",
                                         .try_ = "fewer --steps"});
  }
  return metric_of(result.outcome);
}

nlohmann::ordered_json json_of(const Row& row) {
  nlohmann::ordered_json out = {{"policy", row.policy},   {"feasible", row.fits},
                                {"peak_bytes", nullptr},  {"step_ms", nullptr},
                                {"sensitivity", nullptr}, {"metric", nullptr}};
  if (row.plan) {
    out["peak_bytes"] = row.plan->peak_bytes;
    out["step_ms"] = row.plan->step_ms;
    out["sensitivity"] = row.plan->sensitivity;
  }
  if (row.metric) out["metric"] = {{"name", row.metric->name}, {"value", row.metric->value}};
  return out;
}

std::string text_of(const std::vector<Row>& rows, int width) {
  std::vector<Column> columns{{"policy"},
                              {"fits"},
                              {"peak", Align::Right},
                              {"step", Align::Right},
                              {"sensitivity", Align::Right}};
  const auto trained =
      std::ranges::find_if(rows, [](const Row& row) { return row.metric.has_value(); });
  if (trained != rows.end()) columns.push_back({trained->metric->name, Align::Right});
  std::vector<std::vector<std::string>> table;
  for (const Row& row : rows) {
    std::vector<std::string> cells{row.policy, row.fits ? "yes" : "no"};
    cells.push_back(row.plan ? format_bytes(row.plan->peak_bytes) : "-");
    cells.push_back(row.plan ? fmt::format("{:.3f} ms", row.plan->step_ms) : "-");
    cells.push_back(row.plan ? fmt::format("{:.2e}", row.plan->sensitivity) : "-");
    if (trained != rows.end()) cells.push_back(row.metric ? text_of(*row.metric) : "-");
    table.push_back(std::move(cells));
  }
  return table_text(columns, table, width);
}

/// Whether a length to train is given; the other recipe flags would be ignored without one.
bool trains(const Options& options) {
  if (options.given("epochs") || options.given("steps")) return true;
  for (const char* flag :
       {"schedule", "warmup", "step-size", "step-factor", "early-stop", "no-shuffle"}) {
    if (!options.given(flag)) continue;
    throw Error(ErrorKind::Usage, {.what = fmt::format("--{} without --epochs or --steps", flag),
                                   .at = {},
                                   .why = "compare trains only where it is told how long",
                                   .try_ = "--epochs 1"});
  }
  return false;
}

int run(const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  const bool training = trains(options);
  RunSetup setup = set_up(invocation.arguments[0], options, console);
  require_enough_samples(setup, options);
  warn_of_synthetic(setup, options, console, training ? kMadeUpData : kMadeUpScores);
  add_search_options(options, setup.request);
  const TrainSettings settings = train_settings(options, setup.settings);
  const Profiled profiled =
      profile_model(setup.model, setup.request, *setup.backend, setup.data(), profile_bar(console));
  const PlanAnswer answer = plan_within(profiled, setup.request, *setup.backend);
  if (!answer.failure.empty()) console.warn(answer.failure);
  std::vector<Row> rows =
      rows_of(profiled, setup.request, *setup.backend, answer, options.given("budget"));
  for (Row& row : rows) {
    if (training && row.fits) row.metric = trained_metric(setup, row, settings, console);
  }
  if (console.json()) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const Row& row : rows) out.push_back(json_of(row));
    print_json(console, {{"rows", out}});
  } else {
    console.print(text_of(rows, console.width()));
  }
  return rows.back().fits ? kExitOk : exit_code(ErrorKind::GoalNotMet);
}

}  // namespace

Verb compare_verb() {
  return {.name = "compare",
          .summary = "uniform precisions, AMP's lists and the searched plan in one table",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"compare lenet.onnx --data fashion-mnist/ --budget 70%",
                       "compare lenet.onnx --data fashion-mnist/ --budget 70% --epochs 1"},
          .run = run};
}

}  // namespace mpsearch
