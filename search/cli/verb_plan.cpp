#include <algorithm>
#include <filesystem>

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
#include "search/cli/plan_setup.h"
#include "search/cli/plan_text.h"
#include "search/cli/profile_bar.h"
#include "search/cli/run_setup.h"
#include "search/cli/shell_word.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

void warn_of_emulation(const RunSetup& setup, const Plan& plan, Console& console) {
  bool low = false;
  for (const PlannedLayer& layer : plan.layers) {
    low = low || layer.precision == Precision::FP8 || layer.precision == Precision::FP16;
  }
  if (low && setup.backend->identity().backend == "cpu") {
    console.warn(
        "this CPU computes FP8 and FP16 by decoding to a wider format: memory figures hold, and "
        "the times, which were measured, include the decoding");
  }
}

/// What a plan may be slower than FP32 before its user is told what would change that.
constexpr double kSlower = 0.02;

constexpr const char* kPlanFile = "plan.json";

struct PlanFiles {
  std::string plan;
  std::string report;
};

/// Beside a plan of another name the report has that name: two plans in a folder have two reports.
std::string report_beside(const std::filesystem::path& plan) {
  std::filesystem::path name = plan.filename();
  if (name == kPlanFile) {
    name = "report.html";
  } else if (name.extension() == ".json") {
    name.replace_extension(".html");
  } else {
    name += ".html";
  }
  return (plan.parent_path() / name).string();
}

/// The report lies beside the plan unless --report says where.
PlanFiles files_of(const Invocation& invocation) {
  PlanFiles files{.plan = output_path(invocation, "output", kPlanFile), .report = {}};
  files.report = output_path(invocation, "report", report_beside(files.plan));
  return files;
}

int run(const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  const bool dry = options.flag("dry-run");
  const PlanFiles files = dry ? PlanFiles{} : files_of(invocation);
  RunSetup setup = set_up(invocation.arguments[0], options, console, /*auto_batch=*/true);
  require_enough_samples(setup, options);
  warn_of_synthetic(setup, options, console, kMadeUpScores);
  add_search_options(options, setup.request);
  Planned planned = plan_setup(setup, options, console);
  const Profiled& profiled = planned.profiled;
  PlanAnswer& answer = planned.answer;
  dump_problem(options, limited_problem(profiled, setup.request,
                                        budget_bytes(setup.request.budget, profiled)));
  require_plan(answer, profiled, setup, command_without(invocation, "budget"), console);
  Plan& plan = answer.plan;
  if (setup.request.paired_steps > 0 && !answer.interrupted) {
    plan.paired_check = paired_check(profiled, setup.request, plan, *setup.backend, setup.data(),
                                     profile_bar(console));
  }
  complete_settings(setup, plan.settings);
  if (!dry) {
    write_plan(files.plan, plan);
    write_file_atomically(files.report,
                          report_html({.plan = plan, .profile = document_of(setup, profiled)}),
                          "the report");
  }
  warn_of_emulation(setup, plan, console);
  // A stopped search still answers: its best plan, with the gap to the bound.
  const int status = answer.interrupted ? exit_code(ErrorKind::Interrupted) : kExitOk;
  if (console.json()) {
    nlohmann::ordered_json out = plan_json(plan);
    out["plan"] = dry ? nlohmann::ordered_json() : nlohmann::ordered_json(files.plan);
    out["report"] = dry ? nlohmann::ordered_json() : nlohmann::ordered_json(files.report);
    print_json(console, out);
    return status;
  }
  console.print(plan_text(plan, console.width()));
  if (!dry)
    console.print(fmt::format("plan         {}\nreport       {}\n", files.plan, files.report));
  if (plan.objective_name == "quality" && !plan.max_time_ratio &&
      plan.step_ms > (1 + std::max(kSlower, plan.step_ms_spread)) * plan.fp32_step_ms) {
    console.note(
        "the plan is slower than FP32: --max-time-ratio 1 keeps to FP32's time, --objective speed "
        "finds the fastest plan");
  }
  const std::string& data = setup.data().label;
  console.note(fmt::format("next: mpsearch train {} --plan {} --data {}", shell_word(setup.path),
                           dry ? "PLAN" : shell_word(files.plan),
                           data == "synthetic" ? "PATH" : shell_word(data)));
  return status;
}

}  // namespace

Verb plan_verb() {
  return {.name = "plan",
          .summary = "find each layer's precision under a memory budget, and prove it",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"lenet.onnx --budget 80% --data fashion-mnist/",
                       "resnet18.onnx --budget 64MiB --batch 32 --data cifar-10/ -o plan.json",
                       "net.onnx --budget 0.6x --pin 'fc*=fp32' --forbid fp8 --objective speed"},
          .run = run};
}

}  // namespace mpsearch
