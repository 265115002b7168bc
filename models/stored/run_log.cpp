#include "models/stored/run_log.h"

#include <map>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "models/stored/binder.h"
#include "models/stored/message_json.h"
#include "run_log.pb.h"

namespace mpsearch {

static void describe(Binder& bind, LayerCount& value) {
  bind("precision", value.precision)("layers", value.layers);
}

static void describe(Binder& bind, RunHeader& value) {
  bind("format", value.format)("schema_version", value.schema_version);
  bind("tool_version", value.tool_version)("model", value.model)("device", value.device);
  bind("plan_sha256", value.plan_sha256)("precisions", value.precisions);
  bind("settings", value.settings)("predicted_peak_bytes", value.predicted_peak_bytes);
  bind("predicted_step_ms", value.predicted_step_ms)("metric", value.metric);
}

static void describe(Binder& bind, RunStep& value) {
  bind("step", value.step)("epoch", value.epoch)("loss", value.loss);
  bind("learning_rate", value.learning_rate)("loss_scale", value.loss_scale);
  bind("skipped", value.skipped)("overflow_layer", value.overflow_layer);
  bind("overflow_tensor", value.overflow_tensor)("gradient_norm", value.gradient_norm);
  bind("ms", value.ms);
}

static void describe(Binder& bind, RunEpoch& value) {
  bind("epoch", value.epoch)("step", value.step)("metric", value.metric);
  bind("loss", value.loss)("value", value.value)("samples", value.samples);
}

static void describe(Binder& bind, RunEnd& value) {
  bind("reason", value.reason)("steps", value.steps)("skipped_steps", value.skipped_steps);
  bind("peak_bytes", value.peak_bytes)("step_ms", value.step_ms);
  bind("samples_per_s", value.samples_per_s)("model", value.model);
}

std::string run_line_to_json(const RunLine& line) {
  stored::RunLine message;
  if (const auto* header = std::get_if<RunHeader>(&line)) {
    *message.mutable_header() = to_message<stored::RunHeader>(*header);
  } else if (const auto* step = std::get_if<RunStep>(&line)) {
    *message.mutable_step() = to_message<stored::RunStep>(*step);
  } else if (const auto* epoch = std::get_if<RunEpoch>(&line)) {
    *message.mutable_epoch() = to_message<stored::RunEpoch>(*epoch);
  } else {
    *message.mutable_end() = to_message<stored::RunEnd>(std::get<RunEnd>(line));
  }
  return message_to_json(message, JsonLines::One);
}

Read<RunLog> read_run_log(const std::string& path) {
  const std::string text = read_whole_file(path);
  Read<RunLog> read;
  std::map<std::int64_t, RunStep> steps;
  std::map<std::int64_t, RunEpoch> epochs;
  JsonTolerance tolerance;
  bool has_header = false;
  std::size_t start = 0;
  for (std::size_t number = 1; start < text.size(); ++number) {
    const std::string origin = path + ", line " + std::to_string(number);
    const std::size_t end = text.find('\n', start);
    if (end == std::string::npos) {
      read.warnings.push_back(origin + ": the last line is not complete and was left out");
      break;
    }
    stored::RunLine message;
    line_from_json(text.substr(start, end - start), origin, RunHeader().format, tolerance, message,
                   read.warnings);
    start = end + 1;
    if (!has_header && !message.has_header()) {
      throw Error(ErrorKind::BadContent, {.what = "not a run log",
                                          .at = origin,
                                          .why = "its first line is not the header",
                                          .try_ = {}});
    }
    has_header = true;
    if (message.has_header()) {
      read.value.header = from_message<RunHeader>(message.header());
    } else if (message.has_step()) {
      read.value.end.reset();
      steps[message.step().step()] = from_message<RunStep>(message.step());
    } else if (message.has_epoch()) {
      epochs[message.epoch().step()] = from_message<RunEpoch>(message.epoch());
    } else if (message.has_end()) {
      read.value.end = from_message<RunEnd>(message.end());
    }
  }
  if (!has_header) {
    throw Error(ErrorKind::BadContent,
                {.what = "not a run log", .at = path, .why = "it has no header", .try_ = {}});
  }
  for (auto& [step, value] : steps) read.value.steps.push_back(std::move(value));
  for (auto& [step, value] : epochs) read.value.epochs.push_back(std::move(value));
  return read;
}

}  // namespace mpsearch
