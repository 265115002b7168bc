// The planner: model, data, device and budget in; a plan out, or the proof that there is none.
// profile -> problem -> solve -> confirm by the real memory plan -> explain. Used by the commands.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/stored/plan.h"
#include "models/stored/profile.h"
#include "models/training.h"
#include "runtime/backend.h"
#include "runtime/dataset.h"
#include "runtime/memory_plan.h"
#include "search/problem_builder.h"
#include "search/restrict.h"
#include "search/sensitivity.h"
#include "search/solver/solve.h"
#include "search/speed_profile.h"

namespace mpsearch {

/// A byte budget, or a ratio of the FP32 plan's peak; neither: the FP32 peak.
struct Budget {
  std::int64_t bytes = 0;
  double ratio = 0;
};

struct PlanRequest {
  Objective objective = Objective::Sensitivity;
  Budget budget;
  std::optional<double> max_time_ratio;  // of the FP32 step
  std::optional<double> max_sensitivity;
  Restrictions restrictions;
  TrainingOptions training;         // `scaled` is decided by the plan
  std::string loss_scale = "auto";  // as TrainingSettings::loss_scale
  double learning_rate = 1e-3;
  std::uint64_t seed = 0;
  std::string effort = "normal";
  std::string cache_dir;  // empty: no cache
  int paired_steps = 16;  // 0: no paired check
  bool measure = false;   // even where bytes alone prove that no plan fits
  SolveOptions solve;
};

/// Everything measured of a model on a device, and the problem that follows from it. One profile
/// serves any number of budgets.
struct Profiled {
  Model model;                                    // with Layer::allowed narrowed
  std::vector<std::vector<Precision>> on_device;  // by layer, whatever the request narrows it to
  Exclusions exclusions;
  StepGraph step;
  SpeedProfile speed;
  SensitivityProfile sensitivity;
  BuiltProblem built;
  std::int64_t fp32_peak_bytes = 0;
  double fp32_step_ms = 0;
  bool synthetic = false;  // random data: the scores are labelled so
};

/// Profiles within the request's restrictions, from the cache where it has answers.
Profiled profile_model(Model model, const PlanRequest& request, const Backend& backend,
                       const Dataset& data, const ProfileProgress& progress = {});

/// The same where the cache has every answer; else empty. Measures nothing and reads no data: only
/// their label and hash in `settings` count.
std::optional<Profiled> profile_from_cache(Model model, const PlanRequest& request,
                                           const Backend& backend,
                                           const TrainingSettings& settings);

/// Why there is no plan: the least budget that has one, and what fills the limiting event.
struct Infeasible {
  std::int64_t least_budget_bytes = 0;
  /// Found before anything was measured: the least budget is a bound. Limits on time and
  /// sensitivity, values that a format cannot hold and the workspaces of the fastest kernels may
  /// raise it.
  bool by_bytes_alone = false;
  std::string limiting_event;
  std::vector<std::pair<std::string, std::int64_t>> tensors;  // largest first
  PeakParts parts;
};

/// Unknown: stopped before a plan was found, and none is proven not to exist.
struct PlanAnswer {
  SolveStatus status = SolveStatus::Unknown;
  bool interrupted = false;  // by the caller's stop flag
  std::string failure;       // of the solver, where it failed and another choice was found
  std::int64_t budget_bytes = 0;
  Plan plan;  // Optimal and Feasible
  std::vector<Precision> precision;
  std::optional<Infeasible> infeasible;
};

/// The budget in bytes.
std::int64_t budget_bytes(const Budget& budget, const Profiled& profiled);

/// The profiled problem with the request's objective and limits, for a budget in bytes: what
/// plan_within solves and --dump-problem writes.
Problem limited_problem(const Profiled& profiled, const PlanRequest& request, std::int64_t budget);

/// Solves for the request's budget and confirms by the memory plan.
PlanAnswer plan_within(const Profiled& profiled, const PlanRequest& request,
                       const Backend& backend);

struct Planned {
  Profiled profiled;
  PlanAnswer answer;
};

/// profile_model and plan_within. Where the profile is not in the cache and bytes alone prove that
/// no plan fits, that is the answer, and `profiled` has neither times nor scores.
Planned plan_model(const Model& model, const PlanRequest& request, const Backend& backend,
                   const Dataset& data, const ProfileProgress& progress = {});

/// plan_within for one budget (bytes) after the other, while `take` returns true. A plan is never
/// worse than that of the budget before it where that one fits: budgets that rise give a front.
void plan_front(const Profiled& profiled, const PlanRequest& request,
                std::span<const std::int64_t> budgets, const Backend& backend,
                const std::function<bool(PlanAnswer)>& take);

/// A plan for given precisions (a policy), predicted from the profile.
Plan describe_plan(const Profiled& profiled, const PlanRequest& request, const Backend& backend,
                   std::span<const Precision> precision);

/// A few training steps in FP32 and under the plan on equal batches: the difference of their losses
/// with its 95 % interval, from the cache where it was measured before. For Plan::paired_check.
PairedCheck paired_check(const Profiled& profiled, const PlanRequest& request, const Plan& plan,
                         const Backend& backend, const Dataset& data,
                         const ProfileProgress& progress = {});

/// TrainingOptions with loss scaling as `loss_scale` says ("auto": where a layer is FP16).
TrainingOptions scaled_options(TrainingOptions options, const std::string& loss_scale,
                               std::span<const Precision> precision);

/// What a plan's bytes, times and scores depend on. `data` and `data_hash` are the caller's to set.
TrainingSettings settings_of(const Model& model, const PlanRequest& request);

/// The model's notes, and that the scores are of random data where they are.
std::vector<std::string> notes_of(const Profiled& profiled);

/// The profile as a stored document: layers by precision, kernels, casts.
Profile stored_profile(const Profiled& profiled, const PlanRequest& request,
                       const Backend& backend);

/// Kernels of a plan, to lower with: the plan is obeyed to the algorithm.
RecordedKernels kernels_of(const Plan& plan);

/// Precision of each of the model's layers in the plan. Throws BadContent, naming the layer, where
/// the two do not fit.
std::vector<Precision> precision_of(const Plan& plan, const Model& model);

}  // namespace mpsearch
