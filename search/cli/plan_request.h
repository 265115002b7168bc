// From settings and flags to what the planner is asked. Used by every verb that profiles or trains.
#pragma once

#include "search/cli/options.h"
#include "search/planner.h"

namespace mpsearch {

/// All of a request but the flags that only `plan` and its kin have.
PlanRequest request_from(const TrainingSettings& settings, const Options& options);

/// Budget, objective, limits and solver from the flags of `plan`.
void add_search_options(const Options& options, PlanRequest& request);

}  // namespace mpsearch
