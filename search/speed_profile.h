// Speed profile: what every distinct kernel call costs on this device, and which of a call's
// algorithms is the fastest here. Used by the problem builder and for predicted step times.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/training.h"
#include "runtime/backend.h"
#include "runtime/executable.h"

namespace mpsearch {

/// Median and spread (half the distance between the quartiles over the median) of repeated runs.
struct Timing {
  double ms = 0;
  double spread = 0;
  int repeats = 0;
};

/// Timings by key_of(call); choices by the same key. Calls that were never needed are absent.
struct SpeedProfile {
  std::map<std::string, Timing> timings;
  RecordedKernels kernels;
};

/// Index of the candidate that a profile takes: the fastest by `ms`, but one that needs more
/// workspace than another only where it is faster by a fifth. Memory is what this tool is asked to
/// save, and a close race would let chance decide the least budget.
std::size_t better_kernel(std::span<const KernelChoice> candidates, std::span<const double> ms);

/// Told how far the profile is: done and total steps of work, and what is measured now.
using ProfileProgress = std::function<void(int done, int total, const std::string& what)>;

/// Measures everything that any plan of the model may need: picks among the candidates of each
/// distinct call by timing them alone, then times every node where it runs, in whole training steps
/// under each uniform precision, and the casts between forms alone. What `known` holds already is
/// not measured again.
SpeedProfile profile_speed(const Model& model, const TrainingOptions& options,
                           std::span<const std::vector<Precision>> uniform_plans,
                           const Backend& backend, SpeedProfile known,
                           const ProfileProgress& progress = {});

/// Adds to `known` what profile_speed() will pick for these calls, as far as it matters for bytes:
/// calls whose candidates need different workspaces are timed, of the others the first is taken.
/// What was timed goes into `timed` too.
void pick_kernels(std::span<const KernelCall> calls, const Backend& backend, RecordedKernels& known,
                  RecordedKernels& timed, const ProfileProgress& progress = {});

/// Whether `known` holds everything that profile_speed() would measure.
bool is_profiled(const Model& model, const TrainingOptions& options,
                 std::span<const std::vector<Precision>> uniform_plans, const Backend& backend,
                 const SpeedProfile& known);

/// Milliseconds of a step: the timings of a lowered graph's nodes as often as each runs. Throws
/// Internal where one is missing.
double predicted_ms(const Graph& lowered, const SpeedProfile& profile,
                    std::int64_t micro_batches = 1);

}  // namespace mpsearch
