// What would make an impossible budget possible: the least budget again under each looser setting.
// Used by the commands that answer "no plan fits".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "search/planner.h"

namespace mpsearch {

/// Where the answer is by bytes alone, so is each figure: `least_budget_bytes` is a bound, nothing
/// is timed. Else it is a budget that a run of the changed command will meet with the same profile
/// cache: the least one where `exact`, else one that a longer search may lower a little. 0: no plan
/// at any budget.
struct Lever {
  std::string change;  // "--batch 16", "without --pin 'conv*=fp32'"
  std::int64_t least_budget_bytes = 0;
  bool exact = false;
  bool fits = false;  // the budget that was asked for
};

/// The model at another batch; empty where its file does not allow that.
using Rebatch = std::function<std::optional<Model>(std::int64_t batch)>;

/// Whether some plan of the model, whose layers' `allowed` count, has an arena within the budget,
/// with these kernels and first candidates where they know none.
bool fits(Model model, const PlanRequest& request, const RecordedKernels& kernels,
          const Backend& backend, std::int64_t budget);

/// Computed for the largest halved batch that fits (else the smallest), and for each of the
/// request's restrictions and limits left out alone. Pins and precisions are not tried where a
/// limit on time or sensitivity holds: those were not measured for what is forbidden. Times the
/// kernels that the profile has not met where the choice changes bytes, and keeps what it picked in
/// the request's cache. `by_bytes_alone`: as Infeasible's.
std::vector<Lever> levers_of(const Profiled& profiled, const PlanRequest& request,
                             bool by_bytes_alone, const Backend& backend, const Rebatch& rebatch,
                             const ProfileProgress& progress = {});

}  // namespace mpsearch
