#include "models/stored/plan.h"

#include <set>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "models/stored/binder.h"
#include "models/stored/message_json.h"
#include "plan.pb.h"

namespace mpsearch {
namespace {

void require_unique(std::set<std::string>& seen, const std::string& name, const char* what,
                    const std::string& origin) {
  if (seen.insert(name).second) return;
  throw Error(ErrorKind::BadContent, {.what = std::string("a ") + what + " is planned twice",
                                      .at = origin,
                                      .why = name,
                                      .try_ = {}});
}

/// What JSON and schema cannot say.
void check(const Plan& plan, const std::string& origin) {
  const auto positive = [&](bool good, const char* field) {
    if (good) return;
    throw Error(ErrorKind::BadContent, {.what = "a number is out of range",
                                        .at = origin,
                                        .why = std::string(field) + " must not be negative",
                                        .try_ = {}});
  };
  positive(plan.budget_bytes >= 0, "budget_bytes");
  positive(plan.peak_bytes >= 0, "peak_bytes");
  positive(plan.settings.batch >= 0, "settings.batch");
  std::set<std::string> layers, kernels;
  for (const PlannedLayer& layer : plan.layers) {
    require_unique(layers, layer.name, "layer", origin);
    positive(layer.bytes >= 0, "layers.bytes");
  }
  for (const PlannedKernel& kernel : plan.kernels) {
    require_unique(kernels, kernel.key, "kernel", origin);
    positive(kernel.workspace_bytes >= 0, "kernels.workspace_bytes");
  }
}

}  // namespace

static void describe(Binder& bind, RunnerUp& value) {
  bind("precision", value.precision)("objective_delta", value.objective_delta);
}

static void describe(Binder& bind, PlannedLayer& value) {
  bind("name", value.name)("op", value.op)("precision", value.precision);
  bind("reason", value.reason)("ms", value.ms)("bytes", value.bytes);
  bind("sensitivity", value.sensitivity)("runner_up", value.runner_up)("nodes", value.nodes);
}

static void describe(Binder& bind, PlannedKernel& value) {
  bind("key", value.key)("algorithm", value.algorithm);
  bind("workspace_bytes", value.workspace_bytes)("deterministic", value.deterministic);
}

static void describe(Binder& bind, PlannedCasts& value) {
  bind("count", value.count)("ms", value.ms);
}

static void describe(Binder& bind, LiveBytes& value) {
  bind("event", value.event)("node", value.node)("bytes", value.bytes);
}

static void describe(Binder& bind, PlannedPeak& value) {
  bind("parameters", value.parameters)("state", value.state)("copies", value.copies);
  bind("gradients", value.gradients)("activations", value.activations);
  bind("workspace", value.workspace)("inputs", value.inputs);
}

static void describe(Binder& bind, Multiplier& value) {
  bind("row", value.row)("value", value.value);
}

static void describe(Binder& bind, PairedCheck& value) {
  bind("loss_difference", value.loss_difference)("low", value.low)("high", value.high);
  bind("steps", value.steps);
}

static void describe(Binder& bind, Plan& value) {
  bind("format", value.format)("schema_version", value.schema_version);
  bind("tool_version", value.tool_version)("model", value.model)("device", value.device);
  bind("budget_bytes", value.budget_bytes)("peak_bytes", value.peak_bytes);
  bind("fp32_peak_bytes", value.fp32_peak_bytes);
  bind("weight_state_bytes", value.weight_state_bytes)("peak_parts", value.peak_parts);
  bind("step_ms", value.step_ms)("step_ms_spread", value.step_ms_spread);
  bind("fp32_step_ms", value.fp32_step_ms)("sensitivity", value.sensitivity);
  bind("objective_name", value.objective_name)("max_time_ratio", value.max_time_ratio);
  bind("max_sensitivity", value.max_sensitivity)("status", value.status);
  bind("objective", value.objective)("bound", value.bound)("gap", value.gap);
  bind("chosen_by", value.chosen_by)("casts", value.casts)("paired_check", value.paired_check);
  bind("settings", value.settings)("notes", value.notes)("layers", value.layers);
  bind("kernels", value.kernels)("multipliers", value.multipliers)("timeline", value.timeline);
  bind("root_bound", value.root_bound)("problem_sha256", value.problem_sha256);
  bind("solver_nodes", value.solver_nodes);
}

std::string plan_to_json(const Plan& plan) {
  return message_to_json(to_message<stored::Plan>(plan), JsonLines::Document);
}

Read<Plan> plan_from_json(const std::string& text, const std::string& origin) {
  Read<Plan> read;
  stored::Plan message;
  document_from_json(text, origin, Plan().format, message, read.warnings);
  read.value = from_message<Plan>(std::move(message));
  check(read.value, origin);
  return read;
}

void write_plan(const std::string& path, const Plan& plan) {
  write_file_atomically(path, plan_to_json(plan), "the plan");
}

Read<Plan> read_plan(const std::string& path) {
  return plan_from_json(read_whole_file(path), path);
}

}  // namespace mpsearch
