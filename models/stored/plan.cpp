#include "models/stored/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <set>
#include <string_view>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/stored/atomic_file.h"
#include "models/stored/binder.h"
#include "models/stored/message_json.h"
#include "models/stored/sha256.h"
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

using Words = std::initializer_list<std::string_view>;

void require_word(const std::string& value, Words words, const char* field,
                  const std::string& origin) {
  if (std::ranges::find(words, value) != words.end()) return;
  const std::vector<std::string> names(words.begin(), words.end());
  std::string expected;
  for (const std::string& name : names) expected += (expected.empty() ? "" : ", ") + name;
  throw Error(ErrorKind::BadContent, {.what = "an unknown name",
                                      .at = origin,
                                      .why = std::string(field) + ": expected one of " + expected +
                                             ", got \"" + value + "\"",
                                      .try_ = did_you_mean(value, names)});
}

bool is_positive_number(const std::string& text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size() && value > 0 &&
         std::isfinite(value);
}

/// A run takes its settings from the plan, so each must be one that it knows.
void check(const TrainingSettings& settings, const std::string& origin) {
  const auto within = [&](bool good, const char* field, const char* range) {
    if (good) return;
    throw Error(ErrorKind::BadContent,
                {.what = "a number is out of range",
                 .at = origin,
                 .why = std::string("settings.") + field + " must be " + range,
                 .try_ = {}});
  };
  const OptimizerSettings& optimizer = settings.optimizer;
  require_word(optimizer.kind, {"sgd", "adam", "adamw"}, "settings.optimizer.kind", origin);
  require_word(settings.running_variance, {"pytorch", "onnx"}, "settings.running_variance", origin);
  require_word(settings.effort, {"fast", "normal", "thorough"}, "settings.effort", origin);
  if (!is_positive_number(settings.loss_scale)) {
    require_word(settings.loss_scale, {"auto", "off", "megatron"}, "settings.loss_scale", origin);
  }
  if (settings.loss.find('=') == std::string::npos) {
    require_word(settings.loss, {"", "cross-entropy", "mse", "bce"}, "settings.loss", origin);
  }
  const auto known = [&](const std::string& precision, const char* field) {
    if (!precision_from(precision)) {
      require_word(precision, {"FP32", "BF16", "FP16", "FP8"}, field, origin);
    }
  };
  for (const std::string& name : settings.precisions) known(name, "settings.precisions");
  for (const PinSettings& pin : settings.pins) known(pin.precision, "settings.pins.precision");
  within(settings.batch >= 0 && settings.batch <= 1 << 24, "batch", "from 0 to 2^24");
  within(settings.accumulation >= 1 && settings.accumulation <= 1 << 20, "accumulation",
         "from 1 to 2^20");
  within(settings.clip >= 0, "clip", "at least 0");
  within(optimizer.learning_rate >= 0, "optimizer.learning_rate", "at least 0");
  within(optimizer.momentum >= 0, "optimizer.momentum", "at least 0");
  within(optimizer.weight_decay >= 0, "optimizer.weight_decay", "at least 0");
  within(optimizer.epsilon >= 0, "optimizer.epsilon", "at least 0");
  within(optimizer.beta1 >= 0 && optimizer.beta1 < 1, "optimizer.beta1", "at least 0, less than 1");
  within(optimizer.beta2 >= 0 && optimizer.beta2 < 1, "optimizer.beta2", "at least 0, less than 1");
  for (const InputSettings& input : settings.inputs) {
    for (const std::int64_t dim : input.shape) within(dim >= 0, "inputs.shape", "not negative");
  }
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
  check(plan.settings, origin);
  positive(plan.device.threads >= 0 && plan.device.threads <= 1024, "device.threads");
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
  bind("solver_nodes", value.solver_nodes)("decisions_sha256", value.decisions_sha256);
}

std::string decisions_of(const Plan& plan) {
  std::string text;
  for (const PlannedLayer& layer : plan.layers) {
    text += fmt::format("{}={}\n", layer.name, name_of(layer.precision));
  }
  return sha256_of(text);
}

bool edited(const Plan& plan) {
  return !plan.decisions_sha256.empty() && plan.decisions_sha256 != decisions_of(plan);
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
  try {
    return plan_from_json(read_whole_file(path), path);
  } catch (const Error& error) {
    ErrorText text = error.text();
    // No such advice for a file that is there: it would replace that file.
    if (error.kind() != ErrorKind::Missing || !text.try_.empty()) throw;
    text.try_ = fmt::format("mpsearch MODEL.onnx --budget SIZE -o {}", path);
    throw Error(error.kind(), std::move(text));
  }
}

}  // namespace mpsearch
