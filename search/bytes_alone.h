// What bytes alone say of a model, before anything is measured. Used by the planner for budgets
// that nothing fits into, and by the levers.
#pragma once

#include <span>
#include <vector>

#include "search/planner.h"

namespace mpsearch {

/// Every kernel call that a plan of the step may make.
std::vector<KernelCall> calls_of(const StepGraph& step);

/// Adds to `known` the candidate with the least workspace of each call that it lacks: no profile
/// will pick one with less.
void add_leanest(std::span<const KernelCall> calls, const Backend& backend, RecordedKernels& known);

/// A profile in which nothing takes time or costs quality: its problem is one of bytes. With these
/// kernels, and first candidates where they know none; the layers' `allowed` count.
Profiled profile_of_bytes(Model model, const PlanRequest& request, const RecordedKernels& kernels,
                          const Backend& backend);

/// That problem without any limit.
Problem unlimited_problem(const Profiled& profiled);

}  // namespace mpsearch
