// From flags, over a plan's settings, over defaults, to what import, training and search are asked.
// Used by every verb that takes a model.
#pragma once

#include "models/onnx/import.h"
#include "models/stored/plan.h"
#include "models/training.h"
#include "search/cli/options.h"

namespace mpsearch {

/// What the flags say, else what the plan says (null: none), else the defaults. Throws Usage where
/// a value is malformed, or for --batch auto without `auto_batch` (with it the batch is left open).
/// `loss` stays empty where nothing says it.
TrainingSettings settings_from(const Options& options, const Plan* plan, bool auto_batch = false);

/// Batch, input shapes, --freeze and --train. The batch is 0 where nothing says it.
ImportOptions import_options(const TrainingSettings& settings);

/// The losses of named outputs in the text of a setting; none where it is only a kind.
std::vector<OutputLoss> named_losses(const std::string& text);

/// Loss, optimizer, clip, scaler. `settings.loss` must be known.
TrainingOptions training_options(const TrainingSettings& settings);

/// "adamw, lr 0.001, weight decay 0.01": as the start block shows it.
std::string describe_optimizer(const OptimizerSettings& optimizer);

/// "0.5,0.25": one number, or one a channel, as --mean and --std take them; `what` names them in
/// the error. Throws Usage.
std::vector<float> number_list(const std::string& text, std::string_view what);

}  // namespace mpsearch
