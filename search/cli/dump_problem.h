// --dump-problem and --dump-lp: the optimisation problem as files. Used by plan, pareto and solve.
#pragma once

#include "search/cli/options.h"
#include "search/solver/problem.h"

namespace mpsearch {

/// Writes what the flags ask for.
void dump_problem(const Options& options, const Problem& problem);

}  // namespace mpsearch
