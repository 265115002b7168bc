// A model with its device and data, ready to be profiled or trained. Used by plan, train, eval,
// bench, profile, verify and compare.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/stored/plan.h"
#include "runtime/backend.h"
#include "runtime/dataset.h"
#include "runtime/session.h"
#include "search/cli/console.h"
#include "search/cli/options.h"
#include "search/planner.h"

namespace mpsearch {

struct RunSetup {
  std::string path;  // of the model
  Model model;
  std::unique_ptr<Backend> backend;
  TrainingSettings settings;  // complete
  PlanRequest request;
  std::optional<Dataset> training;  // there once set_up is done
  std::optional<Dataset> evaluation;
  std::string loss_reason;   // "integer targets"
  std::optional<Plan> plan;  // of --plan

  const Dataset& data() const { return *training; }
};

/// Reads --plan where the verb has it, imports the model, opens device and data, decides the loss.
/// Notes of the import go to the console. Throws what these throw; BadContent where the plan is of
/// another model; Usage for --batch auto where that is not `auto_batch`, in which case the model is
/// read at its default batch.
RunSetup set_up(const std::string& model_path, const Options& options, Console& console,
                bool auto_batch = false);

/// Refuses a batch that was asked for and of which the data hold not one: a step would repeat
/// samples.
void require_enough_samples(const RunSetup& setup, const Options& options);

/// What a result says of itself where its data were made up.
inline constexpr const char* kMadeUpData =
    "the data are made up at random: loss and accuracy say nothing of the network";
inline constexpr const char* kMadeUpScores =
    "the data are made up at random: sensitivities and what is chosen by them say nothing of yours";

/// Warns where a run without --data is about to use made-up data. `meaning`: one of the above.
void warn_of_synthetic(const RunSetup& setup, const Options& options, Console& console,
                       const char* meaning = kMadeUpData);

/// The settings, and the setup's model, at another batch; no model where its file does not allow
/// it.
TrainingSettings settings_at(TrainingSettings settings, std::int64_t batch);
std::optional<Model> rebatched(const RunSetup& setup, std::int64_t batch);

/// A choice to run: the plan's, the policy's of --precision, or FP32.
struct Choice {
  std::vector<Precision> precision;
  RecordedKernels kernels;
  std::string name;                // "plan plan.json", "fp32", "amp"
  std::int64_t budget_bytes = 0;   // 0: none
  std::int64_t planned_bytes = 0;  // what the plan says; 0: none
  std::vector<std::string> notes;
};

/// The choice that the flags ask for. Kernels of a policy come from the profile cache, measured at
/// first use.
Choice choose(RunSetup& setup, const Options& options, Console& console);

/// Policy of one of --precision's words, with the layers that do not follow it noted.
Choice policy_choice(RunSetup& setup, const std::string& policy, Console& console);

/// The choice prepared under the setup's training options. Throws GoalNotMet where its peak exceeds
/// the choice's budget.
Prepared prepare_choice(const RunSetup& setup, const Choice& choice);

/// Timings and kernels of all calls that `precision` needs, from the profile cache, measured at
/// first use.
SpeedProfile measured_speed(const RunSetup& setup, const Model& model,
                            std::span<const Precision> precision, Console& console);

/// Adds to a plan's or a profile's settings what only the setup knows: data, patterns.
void complete_settings(const RunSetup& setup, TrainingSettings& settings);

/// The setup's profile as a document, complete.
Profile document_of(const RunSetup& setup, const Profiled& profiled);

/// The layers of each precision: "3 FP32, 2 BF16".
std::string count_precisions(std::span<const Precision> precision);

}  // namespace mpsearch
