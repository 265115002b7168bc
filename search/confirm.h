// Confirmation: the solver's answer against the real memory plan. Used by the planner alone.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "search/planner.h"

namespace mpsearch {

struct Confirmed {
  Solution solution;
  std::vector<Precision> precision;
  std::int64_t peak_bytes = 0;  // of the arena
};

/// Arena of a choice, training and evaluation.
std::int64_t arena_of(const Profiled& profiled, const PlanRequest& request,
                      std::span<const Precision> precision, const Backend& backend);

/// Best solution whose arena is within `problem.limits.bytes`: combinations whose arena is not are
/// cut off, a few times. Status Infeasible or Unknown where none was found. `front`: of `problem`
/// under any byte limit, with the request's options.
Confirmed solve_confirmed(const Profiled& profiled, const Problem& problem, Front& front,
                          const PlanRequest& request, const Backend& backend);

struct Least : Confirmed {
  bool exact = false;      // no plan has a smaller arena, nor fewer bytes live
  std::int64_t bound = 0;  // no plan has fewer bytes live
};

/// Least arena of any plan: the solver's least budget, confirmed. Its solution is the plan that
/// reaches it. Where the arena is above the live bytes a search for one that packs better follows,
/// which may take a minute on a large net; it ends once the answer is on one side of `enough`.
Least least_confirmed(const Profiled& profiled, const Problem& problem, const PlanRequest& request,
                      const Backend& backend, std::int64_t enough = 0);

/// The first arena of such a search is taken, whatever it is.
inline constexpr std::int64_t kFirstArena = std::numeric_limits<std::int64_t>::max();

}  // namespace mpsearch
