// A plan's certificate: written into the plan, and checked from plan and profile without the
// solver. Used by the planner and by `verify`.
#pragma once

#include <optional>
#include <string>

#include "models/stored/plan.h"
#include "search/planner.h"

namespace mpsearch {

/// Puts the solution's multipliers, the bound that they prove and the problem's hash into the plan.
void record_certificate(const Problem& problem, const Solution& solution, Plan& plan);

/// What of a plan's claims was checked. `fault`: a claim that is wrong. `unchecked`: why nothing
/// could be checked. Else `bound` is what the multipliers prove, without a search; empty where the
/// plan has none or they take too long to check.
struct PlanProof {
  std::string fault;
  std::string unchecked;
  std::optional<double> bound;
};

/// Checks choice, objective, bound, gap and multipliers against the problem that the profile gives
/// at the plan's budget and limits.
PlanProof check_plan(const Profiled& profiled, PlanRequest request, const Plan& plan);

}  // namespace mpsearch
