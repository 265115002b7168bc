// Run log: what happened in a training run, one JSON object a line, appended as it happens.
// Used by runtime/run_log.h (writes) and reports (read).
#pragma once

#include <variant>

#include "models/stored/identity.h"

namespace mpsearch {

struct LayerCount {
  Precision precision = Precision::FP32;
  std::int64_t layers = 0;
  bool operator==(const LayerCount&) const = default;
};

struct RunHeader {
  std::string format = "mpsearch run";
  SchemaVersion schema_version;
  std::string tool_version;
  ModelIdentity model;
  DeviceIdentity device;
  std::string plan_sha256;  // of the plan's JSON
  std::vector<LayerCount> precisions;
  TrainingSettings settings;
  std::int64_t predicted_peak_bytes = 0;
  std::optional<double> predicted_step_ms;
  std::string metric;  // "accuracy", "loss"
  bool operator==(const RunHeader&) const = default;
};

struct RunStep {
  std::int64_t step = 0;  // attempts, skipped ones included
  std::int64_t epoch = 0;
  double loss = 0;
  double learning_rate = 0;
  double loss_scale = 1;
  bool skipped = false;
  std::string overflow_layer;
  std::string overflow_tensor;
  std::optional<double> gradient_norm;
  double ms = 0;
  bool operator==(const RunStep&) const = default;
};

struct RunEpoch {
  std::int64_t epoch = 0;
  std::int64_t step = 0;
  std::string metric;
  double loss = 0;   // on the evaluation data
  double value = 0;  // of the metric
  std::int64_t samples = 0;
  bool operator==(const RunEpoch&) const = default;
};

struct RunEnd {
  std::string reason;  // "finished", "early stop", "interrupted", "failed"
  std::int64_t steps = 0;
  std::int64_t skipped_steps = 0;
  std::int64_t peak_bytes = 0;
  double step_ms = 0;
  double samples_per_s = 0;
  std::string model;  // file written
  bool operator==(const RunEnd&) const = default;
};

using RunLine = std::variant<RunHeader, RunStep, RunEpoch, RunEnd>;

struct RunLog {
  RunHeader header;
  std::vector<RunStep> steps;
  std::vector<RunEpoch> epochs;
  std::optional<RunEnd> end;  // missing while a run goes on, or when it was killed
};

/// One line of the log, with its newline; numbers that are not finite are "NaN", "Infinity" or
/// "-Infinity" (Protobuf's convention).
std::string run_line_to_json(const RunLine& line);

/// Reads a whole log. A last line without newline (a run that was killed, or goes on) is left out
/// with a warning. Steps that a resumed run did again count once, the later one. Errors: BadContent
/// with the line, Missing, InputOutput.
Read<RunLog> read_run_log(const std::string& path);

}  // namespace mpsearch
