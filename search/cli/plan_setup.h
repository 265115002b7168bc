// Profile and plan of a set-up model, with the batch that the user left open. Used by plan and
// train.
#pragma once

#include "search/cli/console.h"
#include "search/cli/run_setup.h"
#include "search/planner.h"

namespace mpsearch {

/// The answer may be that no plan fits. With --batch auto the setup's model becomes the one at the
/// largest batch for which some plan fits into the budget, at most the samples of the data. Throws
/// Usage where the budget is none in bytes, or there is none.
Planned plan_setup(RunSetup& setup, const Options& options, Console& console);

}  // namespace mpsearch
