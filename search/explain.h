// Why: a reason for each layer's choice, and what the next-better option would have cost. Computed
// by swapping one layer at a time in the problem, never guessed. Used by the planner.
#pragma once

#include <vector>

#include "search/planner.h"

namespace mpsearch {

/// Fills reason and runner_up of every layer of the plan for a choice of `problem`.
void explain_choices(const Profiled& profiled, const Problem& problem,
                     const std::vector<int>& choice, Plan& plan);

/// "1.50 MiB": a size in the largest unit that leaves a number of at least 1.
std::string readable_bytes(std::int64_t bytes);

}  // namespace mpsearch
