// Plan: what the search decided and why, and the only link between search and runtime.
// Used by search (writes), runtime (obeys), reports (shows).
#pragma once

#include "models/stored/identity.h"

namespace mpsearch {

struct RunnerUp {
  Precision precision = Precision::FP32;
  double objective_delta = 0;  // what the next-better option would have cost
  bool operator==(const RunnerUp&) const = default;
};

/// One layer's choice. ms and bytes are predictions for the layer alone.
struct PlannedLayer {
  std::string name;
  std::string op;
  Precision precision = Precision::FP32;
  std::string reason;
  double ms = 0;
  std::int64_t bytes = 0;
  double sensitivity = 0;
  std::optional<RunnerUp> runner_up;
  std::vector<std::string> nodes;  // ONNX node names
  bool operator==(const PlannedLayer&) const = default;
};

/// The kernel of every call with this key (kernels/kernel.h: key_of, KernelChoice).
struct PlannedKernel {
  std::string key;
  std::string algorithm;
  std::int64_t workspace_bytes = 0;
  bool deterministic = true;
  bool operator==(const PlannedKernel&) const = default;
};

struct PlannedCasts {
  std::int64_t count = 0;
  double ms = 0;
  bool operator==(const PlannedCasts&) const = default;
};

/// Live bytes at one step of the schedule.
struct LiveBytes {
  std::int64_t event = 0;
  std::string node;
  std::int64_t bytes = 0;
  bool operator==(const LiveBytes&) const = default;
};

/// What the peak consists of, in bytes (runtime/memory_plan.h: PeakParts).
struct PlannedPeak {
  std::int64_t parameters = 0;
  std::int64_t state = 0;
  std::int64_t copies = 0;
  std::int64_t gradients = 0;
  std::int64_t activations = 0;
  std::int64_t workspace = 0;
  std::int64_t inputs = 0;
  bool operator==(const PlannedPeak&) const = default;
};

/// Price of a limit of the problem: "bytes at event N", "ms" or "sensitivity". Together they prove
/// Plan::root_bound, which `mpsearch verify` checks without the solver.
struct Multiplier {
  std::string row;
  double value = 0;
  bool operator==(const Multiplier&) const = default;
};

/// Loss of the plan minus loss of FP32 over paired steps, with its interval.
struct PairedCheck {
  double loss_difference = 0;
  double low = 0;
  double high = 0;
  std::int64_t steps = 0;
  bool operator==(const PairedCheck&) const = default;
};

struct Plan {
  std::string format = "mpsearch plan";
  SchemaVersion schema_version;
  std::string tool_version;
  ModelIdentity model;
  DeviceIdentity device;
  std::int64_t budget_bytes = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t fp32_peak_bytes = 0;
  std::int64_t weight_state_bytes = 0;
  PlannedPeak peak_parts;
  double step_ms = 0;
  double step_ms_spread = 0;
  double fp32_step_ms = 0;
  double sensitivity = 0;
  std::string objective_name = "quality";  // or "speed"
  std::optional<double> max_time_ratio;
  std::optional<double> max_sensitivity;
  std::string status;  // "optimal", "feasible"
  double objective = 0;
  std::optional<double> bound;
  std::optional<double> gap;
  std::string chosen_by = "solver";  // "paired check", or a policy's name
  PlannedCasts casts;
  std::optional<PairedCheck> paired_check;
  TrainingSettings settings;
  std::vector<std::string> notes;
  std::vector<PlannedLayer> layers;
  std::vector<PlannedKernel> kernels;
  std::vector<Multiplier> multipliers;
  std::vector<LiveBytes> timeline;
  std::optional<double> root_bound;  // `bound` beyond it rests on the branch and bound
  std::string problem_sha256;        // as --dump-problem writes it; empty: nothing was solved
  std::int64_t solver_nodes = 0;
  std::string decisions_sha256;  // decisions_of() as the search left it; empty: an older plan
  bool operator==(const Plan&) const = default;
};

/// SHA-256 of the layers' names and precisions: what a search decides and a user may edit.
std::string decisions_of(const Plan& plan);

/// Whether the decisions are others than those that the search wrote. A plan of schema 1.1 does not
/// say: false.
bool edited(const Plan& plan);

/// The plan as JSON: every field, in the schema's order; equal plans give equal bytes.
std::string plan_to_json(const Plan& plan);

/// `origin` names the text in errors. Errors: BadContent for text that is no plan of this schema's
/// major version: damaged JSON, unknown, missing, repeated or mistyped keys (with the nearest key),
/// negative bytes, layers or kernels named twice.
Read<Plan> plan_from_json(const std::string& text, const std::string& origin);

/// Writes atomically (models/stored/atomic_file.h). Errors: CannotCreate, InputOutput.
void write_plan(const std::string& path, const Plan& plan);

/// Errors as plan_from_json; Missing; InputOutput.
Read<Plan> read_plan(const std::string& path);

}  // namespace mpsearch
