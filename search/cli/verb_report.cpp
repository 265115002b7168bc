#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "models/stored/plan.h"
#include "models/stored/profile.h"
#include "models/stored/run_log.h"
#include "reports/report.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/paths.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

/// A run log is a line per record and says "mpsearch run" in its first.
bool is_run_log(const std::string& path) {
  const std::string text = read_whole_file(path);
  return text.substr(0, text.find('\n')).find("\"mpsearch run\"") != std::string::npos;
}

/// What a stored JSON file says of itself: "mpsearch plan", "mpsearch profile".
bool is_profile(const std::string& path) {
  const nlohmann::json document =
      nlohmann::json::parse(read_whole_file(path), nullptr, /*allow_exceptions=*/false);
  return document.is_object() && document.value("format", "") == "mpsearch profile";
}

int run(const Invocation& invocation, Console& console) {
  const std::string output = output_path(invocation, "output", "report.html");
  ReportData data;
  const auto take = [&](auto read) {
    for (const std::string& warning : read.warnings) console.warn(warning);
    return std::move(read.value);
  };
  for (const std::string& path : invocation.arguments) {
    if (is_run_log(path)) {
      data.runs.push_back(
          {std::filesystem::path(path).filename().string(), take(read_run_log(path))});
    } else if (is_profile(path)) {
      data.profile = take(read_profile(path));
    } else {
      data.front.push_back(take(read_plan(path)));
    }
  }
  if (data.front.size() == 1) {
    data.plan = std::move(data.front[0]);
    data.front.clear();
  }
  write_file_atomically(output, report_html(data), "the report");
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
          .summary = "one HTML file from plans, a profile and the logs of training runs",
          .arguments = {{.name = "PLAN|PROFILE|RUN",
                         .help = "plan.json, several: as a front; profile.json; *.run.ndjson",
                         .least = 1,
                         .most = 100}},
          .examples = {"report plan.json lenet-trained.run.ndjson -o report.html",
                       "report front/plan-*.json -o front.html"},
          .run = run};
}

}  // namespace mpsearch
