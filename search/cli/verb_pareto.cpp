#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "reports/report.h"
#include "search/cli/dump_problem.h"
#include "search/cli/exit_code.h"
#include "search/cli/no_plan.h"
#include "search/cli/output.h"
#include "search/cli/paths.h"
#include "search/cli/plan_request.h"
#include "search/cli/plan_text.h"
#include "search/cli/progress.h"
#include "search/cli/run_setup.h"
#include "search/cli/signals.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

/// The least feasible budget: what planning within one byte answers.
std::int64_t least_of(const Profiled& profiled, const RunSetup& setup, Console& console) {
  PlanRequest request = setup.request;
  request.budget = {.bytes = 1, .ratio = 0};
  const PlanAnswer answer = plan_within(profiled, request, *setup.backend);
  if (answer.infeasible && answer.infeasible->least_budget_bytes > 0) {
    return answer.infeasible->least_budget_bytes;
  }
  require_plan(answer, profiled, setup, "mpsearch " + setup.path, console);
  return 1;
}

std::vector<Plan> front(const Profiled& profiled, const RunSetup& setup, std::int64_t points,
                        Console& console) {
  const std::int64_t least = least_of(profiled, setup, console);
  const std::int64_t most = std::max(least, profiled.fp32_peak_bytes);
  std::vector<std::int64_t> budgets;
  for (std::int64_t i = 0; i < points; ++i) {
    const double share = points == 1 ? 1 : static_cast<double>(i) / static_cast<double>(points - 1);
    budgets.push_back(least + static_cast<std::int64_t>(share * static_cast<double>(most - least)));
  }
  std::vector<Plan> plans;
  if (stop_requested()) return plans;
  Progress progress(console, "solve", points);
  std::int64_t done = 0;
  plan_front(profiled, setup.request, budgets, *setup.backend, [&](PlanAnswer answer) {
    progress.update(++done);
    if (!answer.failure.empty()) console.warn(answer.failure);
    if (!answer.plan.layers.empty()) {
      complete_settings(setup, answer.plan.settings);
      plans.push_back(std::move(answer.plan));
    }
    return !stop_requested();
  });
  return plans;
}

bool same_choice(const Plan& a, const Plan& b) {
  return std::ranges::equal(a.layers, b.layers, {}, &PlannedLayer::precision,
                            &PlannedLayer::precision);
}

int run(const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  const std::filesystem::path folder = options.given("output") ? options.text("output") : "pareto";
  require_folder("--output", folder.string());
  RunSetup setup = set_up(invocation.arguments[0], options, console);
  require_enough_samples(setup, options);
  warn_of_synthetic(setup, options, console, kMadeUpScores);
  add_search_options(options, setup.request);
  const Profiled profiled = profile_or_refuse(setup, console);
  dump_problem(options, limited_problem(profiled, setup.request,
                                        budget_bytes(setup.request.budget, profiled)));
  const std::vector<Plan> plans = front(profiled, setup, options.integer("points"), console);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  nlohmann::ordered_json points = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  std::string first;  // file of the last row
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const Plan& plan = plans[i];
    const std::string path = (folder / fmt::format("plan-{:02}.json", i + 1)).string();
    write_plan(path, plan);
    points.push_back({{"budget_bytes", plan.budget_bytes},
                      {"peak_bytes", plan.peak_bytes},
                      {"step_ms", plan.step_ms},
                      {"sensitivity", plan.sensitivity},
                      {"plan", path}});
    if (i > 0 && same_choice(plan, plans[i - 1])) {
      // One row for all budgets with the same plan.
      rows.back().back() = fmt::format("{} to {:02}", first, i + 1);
      continue;
    }
    first = path;
    rows.push_back({format_bytes(plan.budget_bytes), format_bytes(plan.peak_bytes),
                    fmt::format("{:.3f} ms", plan.step_ms), fmt::format("{:.2e}", plan.sensitivity),
                    path});
  }
  const std::string report = (folder / "report.html").string();
  write_file_atomically(
      report, report_html({.profile = document_of(setup, profiled), .front = plans}), "the report");
  const bool synthetic = setup.data().label == "synthetic";
  if (console.json()) {
    print_json(console, {{"points", points},
                         {"report", report},
                         {"data", setup.data().label},
                         {"synthetic", synthetic}});
  } else {
    console.print(table_text({{"budget", Align::Right},
                              {"peak", Align::Right},
                              {"step", Align::Right},
                              {"sensitivity", Align::Right},
                              {"plan"}},
                             rows, 0));
    console.print(fmt::format("\nreport  {}\n", report));
    if (synthetic) console.print(fmt::format("note    {}\n", kMadeUpScores));
  }
  return stop_requested() ? exit_code(ErrorKind::Interrupted) : kExitOk;
}

}  // namespace

Verb pareto_verb() {
  return {.name = "pareto",
          .summary = "the front: budget against time and quality, a plan for each point",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"pareto lenet.onnx --data fashion-mnist/ -o front/"},
          .run = run};
}

}  // namespace mpsearch
