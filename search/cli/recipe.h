// How long and by which schedule a command trains. Used by train and compare.
#pragma once

#include "models/stored/plan.h"
#include "runtime/trainer.h"
#include "search/cli/options.h"

namespace mpsearch {

/// Length and learning-rate schedule from the flags; base rate and seed from the settings. Throws
/// Usage where a flag is for another schedule than the one asked for.
TrainSettings train_settings(const Options& options, const TrainingSettings& settings);

}  // namespace mpsearch
