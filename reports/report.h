// The HTML report of plans, a profile and training runs: one self-contained file from stored data
// alone. Used by the plan, pareto and report commands.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/stored/plan.h"
#include "models/stored/profile.h"
#include "models/stored/run_log.h"

namespace mpsearch {

struct ReportRun {
  std::string name;  // of the log's file
  RunLog log;
};

struct ReportData {
  std::optional<Plan> plan = {};
  std::optional<Profile> profile = {};  // the heat map of its sensitivities
  std::vector<Plan> front = {};         // plans of one network under several budgets
  std::vector<ReportRun> runs = {};
};

/// Precision map, memory timeline against the budget, plan table with reasons, sensitivity of each
/// layer in each precision, the front, training curves with skipped steps: whatever of these the
/// data has. No script, no network; light and dark, on paper and on a telephone.
std::string report_html(const ReportData& data);

}  // namespace mpsearch
