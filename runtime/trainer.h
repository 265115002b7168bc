// The training loop: batches in, steps run, overflows handled, evaluation after every epoch.
// Everything that it needs to go on lies in the session's state and TrainProgress, so a resumed run
// is the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "runtime/dataset.h"
#include "runtime/schedule.h"
#include "runtime/session.h"

namespace mpsearch {

struct TrainSettings {
  std::int64_t epochs = 1;
  std::int64_t steps = 0;  // > 0: this many attempts, whatever `epochs` says
  LearningRate rate;       // `total` is filled in by total_attempts()
  std::uint64_t seed = 0;
  bool shuffle = true;
  int early_stop = 0;  // epochs without a better evaluation loss; 0: off
};

/// Means over whole batches (and, for classification, the padded rest).
struct EvaluationResult {
  double loss = 0;
  double accuracy = 0;  // hits / valid targets; 0 for regression
  bool has_accuracy = false;
  std::int64_t samples = 0;
};

/// Where a run stands between two steps.
struct TrainProgress {
  std::int64_t attempts = 0;     // done
  double epoch_loss = 0;         // sum over the accepted steps of the epoch so far
  std::int64_t epoch_steps = 0;  // those steps
  double loss = 0;               // mean of the epoch so far, or of the last one
  double best_loss = std::numeric_limits<double>::infinity();  // of the evaluations
  std::int64_t epochs_without_gain = 0;
  EvaluationResult evaluation;  // the last one
};

struct StepReport {
  std::int64_t attempt = 0;  // 0-based
  std::int64_t epoch = 0;
  bool ends_epoch = false;
  StepState state;
  BatchResult result;
  double ms = 0;  // wall time: staging, step and read-back
};

struct EpochReport {
  std::int64_t epoch = 0;       // 0-based, finished
  double training_loss = 0;     // mean over accepted steps
  EvaluationResult evaluation;  // samples 0: nothing to evaluate on
};

struct TrainCallbacks {
  /// False: stop after this step.
  std::function<bool(const StepReport&, const TrainProgress&)> after_step;
  std::function<void(const EpochReport&, const TrainProgress&)> after_epoch;
};

struct TrainOutcome {
  std::int64_t attempts = 0;  // the next attempt's number
  std::int64_t epochs = 0;    // finished
  double loss = 0;            // mean of the last epoch (or of what there is of it)
  double step_ms = 0;         // median
  double samples_per_s = 0;
  StepState state;
  EvaluationResult evaluation;  // the last one
  bool stopped = false;         // by a callback
};

/// Attempts of a whole run; `samples` is what a step sees, all micro-batches together.
std::int64_t total_attempts(const TrainSettings& settings, const Dataset& data,
                            std::int64_t samples);

/// Trains on from `progress` (a new run's by default). `evaluate` may be null. Throws GoalNotMet
/// after 20 overflows in a row, naming the parameter whose gradient overflows first.
TrainOutcome train(Session& session, const Dataset& data, const Dataset* evaluate,
                   const TrainSettings& settings, const TrainCallbacks& callbacks,
                   TrainProgress progress = {});

/// Called with the samples done, after each batch. False: stop there.
using AfterBatch = std::function<bool(std::int64_t)>;

/// Evaluates on every sample, or on those before a stop: the last batch of a classification is
/// padded with ignored targets; of a regression it is left out unless it is whole.
EvaluationResult evaluate(Session& session, const Dataset& data, const AfterBatch& go_on = {});

/// Stages the samples as the session's next batch.
void stage_batch(Session& session, const Dataset& data, std::span<const std::int64_t> samples);

/// Batch (or micro-batch) size of a session: the first dimension of its first input.
std::int64_t batch_of(const Session& session);

}  // namespace mpsearch
