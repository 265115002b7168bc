#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "models/stored/plan.h"
#include "models/stored/run_log.h"
#include "reports/report.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

/// A run log is a line per record and says "mpsearch run" in its first.
bool is_run_log(const std::string& path) {
  const std::string text = read_whole_file(path);
  return text.substr(0, text.find('\n')).find("\"mpsearch run\"") != std::string::npos;
}

int run(const Invocation& invocation, Console& console) {
  std::optional<Plan> plan;
  std::vector<ReportRun> runs;
  const auto warn = [&](const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) console.warn(warning);
  };
  for (const std::string& path : invocation.arguments) {
    if (is_run_log(path)) {
      Read<RunLog> read = read_run_log(path);
      warn(read.warnings);
      runs.push_back({std::filesystem::path(path).filename().string(), std::move(read.value)});
      continue;
    }
    if (plan) {
      throw Error(ErrorKind::Usage, {.what = "a report shows one plan",
                                     .at = path,
                                     .why = "another one is named before it",
                                     .try_ = "mpsearch diff A.json B.json"});
    }
    Read<Plan> read = read_plan(path);
    warn(read.warnings);
    plan = std::move(read.value);
  }
  const std::string output = invocation.options.given("output") ? invocation.options.text("output")
                                                                : std::string("report.html");
  write_file_atomically(output, report_html(plan, runs), "the report");
  if (console.json()) {
    print_json(console, {{"report", output}});
  } else {
    console.print(output + "\n");
  }
  return kExitOk;
}

}  // namespace

Verb report_verb() {
  return {.name = "report",
          .summary = "one HTML file from a plan and the logs of training runs",
          .arguments =
              {{.name = "PLAN|RUN", .help = "plan.json, *.run.ndjson", .least = 1, .most = 100}},
          .examples = {"report plan.json lenet-trained.run.ndjson -o report.html"},
          .run = run};
}

}  // namespace mpsearch
