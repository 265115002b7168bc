// Sensitivity: what lowering one layer costs in training, as a score (search.md, section 2). Here
// its output-error term: for each sample, how far the layer's own rounding moves the loss.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "models/training.h"
#include "runtime/dataset.h"
#include "runtime/executable.h"
#include "search/speed_profile.h"

namespace mpsearch {

/// `score`: sum over the samples of a batch of (dL/dY_i . error of Y_i)^2, L the batch's mean loss:
/// the expected squared change of the loss; mean over batches, `error` its standard error.
struct SensitivityScore {
  double score = 0;
  double error = 0;
  std::string out_of_range;  // why the format cannot hold the layer's values; empty: it can
};

struct SensitivitySettings {
  std::int64_t warmup_steps = 0;  // FP32 steps before scoring
  int batches = 4;
  double learning_rate = 1e-3;
  std::uint64_t seed = 0;
};

struct SensitivityProfile {
  std::map<std::pair<LayerId, Precision>, SensitivityScore> scores;
  double steps = 0;  // cost in FP32-step equivalents, from flops
  std::int64_t warmup_steps = 0;

  double score(LayerId layer, Precision precision) const;
};

/// FP32 warm-up steps of `--effort fast|normal|thorough`: a function of the arithmetic alone.
std::int64_t warmup_steps(const std::string& effort, const StepGraph& step);

/// Scores every layer of the model in its `precisions` (by layer), whatever a plan may choose, so
/// that pins and forbids need no new scores.
SensitivityProfile profile_sensitivity(const Model& model, const TrainingOptions& options,
                                       std::span<const std::vector<Precision>> precisions,
                                       const Dataset& data, const SensitivitySettings& settings,
                                       const Backend& backend, const RecordedKernels& kernels,
                                       const ProfileProgress& progress = {});

}  // namespace mpsearch
