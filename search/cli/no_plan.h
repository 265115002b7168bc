// The answer that there is no plan: why, and what would bring one. Used by plan, train and pareto.
#pragma once

#include "search/cli/console.h"
#include "search/cli/run_setup.h"
#include "search/planner.h"

namespace mpsearch {

/// Profiles the setup's model, and plans it. Where a pin alone forbids every plan, --json still
/// prints its object.
Profiled profile_or_refuse(const RunSetup& setup, Console& console);
Planned plan_or_refuse(const RunSetup& setup, Console& console);

/// Warns where the solver failed. For an answer without a plan: prints it with --json, and throws
/// GoalNotMet, or Interrupted where the user stopped the search. `command` is repeated in the
/// advice: "mpsearch net.onnx".
void require_plan(const PlanAnswer& answer, const Profiled& profiled, const RunSetup& setup,
                  const std::string& command, Console& console);

}  // namespace mpsearch
