// How a run departs from the plan that it obeys. Used by set_up and by the verbs' results.
#pragma once

#include <string>
#include <vector>

#include "search/cli/run_setup.h"

namespace mpsearch {

/// "batch 4, planned for 8": each setting that a plan's bytes depend on and that the flags changed.
/// None without a plan.
std::vector<std::string> departures(const RunSetup& setup);

/// Warns of layers that were edited by hand since the search, and of departures: what the plan
/// proves does not hold then.
void warn_of_departures(const RunSetup& setup, const Options& options, Console& console);

}  // namespace mpsearch
