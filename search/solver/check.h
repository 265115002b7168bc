// The independent checker: what a choice costs under the exact semantics, without any engine's
// data. Used on every answer of the engines, by `verify`, and by reports that name what fills an
// event.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "search/solver/problem.h"

namespace mpsearch {

/// One cast that a choice pays for.
struct PaidCast {
  int tensor = 0;
  int from = 0;
  int to = 0;
  int event = 0;
  double ms = 0;
};

/// One copy of a tensor and the closed interval of events during which it is held.
struct LiveCopy {
  int tensor = 0;
  int form = 0;
  ByteInterval live;
};

/// `allowed` is false when a needed cast does not exist; `why` then says which, and the figures
/// are incomplete. Limits are judged apart, by violated_limit.
struct Evaluation {
  bool allowed = true;
  std::string why;
  double ms = 0;
  double sensitivity = 0;
  std::vector<std::int64_t> bytes;  // at each event
  std::int64_t peak = 0;
  int peak_event = 0;
  std::vector<PaidCast> casts;
  std::vector<LiveCopy> copies;
};

/// The exact cost of one option index per layer. Throws Usage when the choice does not fit.
Evaluation evaluate(const Problem& problem, std::span<const int> choice);

/// Whether `sum` is at most `limit`, within 1e-9 relative.
bool within_limit(double sum, double limit);

/// Why the evaluated choice is no answer (a forbidden cast or the first limit that it breaks);
/// empty when it is one.
std::string violated_limit(const Problem& problem, const Evaluation& evaluation);

/// What `objective` may be above the least, as a fraction of it: (objective - bound) / |objective|.
double relative_gap(double objective, double bound);

}  // namespace mpsearch
