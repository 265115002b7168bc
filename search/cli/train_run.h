// One training run with its progress, log and checkpoints. Used by train, for the run itself and
// for its FP32 twin.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/checkpoint.h"
#include "runtime/trainer.h"
#include "search/cli/console.h"
#include "search/cli/run_setup.h"

namespace mpsearch {

/// What a run writes and where it begins. Empty paths: nothing.
struct RunFiles {
  std::string log;         // NDJSON
  std::string checkpoint;  // file, written after each epoch and every `every` steps
  std::int64_t every = 0;  // 0: not between epochs
  std::string rescue;      // file, written on ^C where there is no `checkpoint`
  std::string resume;      // file
  std::string plan_json;   // of the plan that it obeys
};

struct RunResult {
  TrainOutcome outcome;
  std::int64_t predicted_peak = 0;
  std::int64_t measured_peak = 0;
  std::vector<double> losses;  // one per step
  TrainProgress progress;      // where it stands now
  std::vector<MetricPoint> metrics;
};

/// Trains the session of `choice`. Stops after the current step where the user asks for it, writing
/// a checkpoint. Session and progress come from the file to resume from, where there is one.
RunResult run_training(const RunSetup& setup, const Choice& choice, Session& session,
                       const TrainSettings& settings, const RunFiles& files, Console& console);

/// Writes everything that --resume needs, as the run stands now.
void keep_run(const RunSetup& setup, const Session& session, const TrainSettings& settings,
              const RunFiles& files, const TrainProgress& progress,
              const std::vector<MetricPoint>& metrics, const std::string& path);

/// The metric of a run that nothing evaluated.
inline constexpr const char* kTrainingLoss = "training loss";

/// "accuracy" and its value, or the loss for what has no classes.
struct Metric {
  std::string name;
  double value = 0;
};
Metric metric_of(const TrainOutcome& outcome);
Metric metric_of(const EvaluationResult& result);

/// "90.25 %", or the loss.
std::string text_of(const Metric& metric);

}  // namespace mpsearch
