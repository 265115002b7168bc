// A second generator, of another style than solver_instances.h: networks of random modules whose
// maps shrink and whose weights grow with depth, layouts beside dtypes, missing casts, tied
// weights, four phases of events. Nothing in the solver is tuned on its seeds.
#pragma once

#include "search/solver/problem.h"
#include "tests/bench/solver_instances.h"

namespace mpsearch::bench {

/// The family sets which module is the most frequent one.
Problem draw_ops_instance(const InstanceSpec& spec);

}  // namespace mpsearch::bench
