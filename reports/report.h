// The HTML report of a plan and of training runs: one self-contained file from stored data alone.
// Used by the plan and report commands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/stored/plan.h"
#include "models/stored/run_log.h"

namespace mpsearch {

struct ReportRun {
  std::string name;  // of the log's file
  RunLog log;
};

/// Plan table with reasons, precision map, memory timeline against the budget, training curves with
/// skipped steps: whatever of these the data has. No script, no network; light and dark.
std::string report_html(const std::optional<Plan>& plan, const std::vector<ReportRun>& runs);

}  // namespace mpsearch
