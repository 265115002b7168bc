// A plan, or the proof that there is none, as text and as JSON. Used by plan, pareto and train.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>

#include "kernels/error.h"
#include "search/levers.h"
#include "search/planner.h"

namespace mpsearch {

/// Table `layer | op | choice | quality cost | time | memory | why` for a terminal of `width`
/// columns (0: unlimited), then the predictions.
std::string plan_text(const Plan& plan, int width);

/// The stable keys of `plan`, without the files.
nlohmann::ordered_json plan_json(const Plan& plan);

/// The error that a budget without a plan is: the least budget with its parts, and what to try.
/// `command` is the command line without the budget.
ErrorText infeasible_text(const PlanAnswer& answer, const std::vector<Lever>& levers,
                          const PlanRequest& request, const std::string& command,
                          std::int64_t batch);

/// The stable keys of `plan` for a budget without a plan.
nlohmann::ordered_json infeasible_json(const PlanAnswer& answer, const std::vector<Lever>& levers);

}  // namespace mpsearch
