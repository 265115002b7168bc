// What plans, profiles, run logs and checkpoints all say: which model, which device, which
// settings. Used by everything that reads or writes stored documents.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/precision.h"

namespace mpsearch {

/// Version of the four schemas (models/stored/*.proto). See common.proto for when to raise it.
inline constexpr std::int64_t kSchemaMajor = 1;
inline constexpr std::int64_t kSchemaMinor = 2;

struct SchemaVersion {
  std::int64_t major = kSchemaMajor;
  std::int64_t minor = kSchemaMinor;
  bool operator==(const SchemaVersion&) const = default;
};

struct ModelIdentity {
  std::string name;    // file name without folders
  std::string sha256;  // of the file, 64 hexadecimal digits
  bool operator==(const ModelIdentity&) const = default;
};

struct DeviceIdentity {
  std::string name;     // of the processor
  std::string backend;  // "cpu", "cuda"
  std::int64_t threads = 0;
  bool modelled = false;               // times come from a model of a device that is not here
  std::vector<std::string> libraries;  // "oneDNN 2.6.3", ...
  bool operator==(const DeviceIdentity&) const = default;
};

struct InputSettings {
  std::string name;
  std::string dtype;                // name_of(DType)
  std::vector<std::int64_t> shape;  // with the batch
  bool operator==(const InputSettings&) const = default;
};

struct OptimizerSettings {
  std::string kind = "adamw";  // "sgd", "adam", "adamw"
  double learning_rate = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool operator==(const OptimizerSettings&) const = default;
};

/// A user's wish: layers or ops that match `pattern` get `precision`.
struct PinSettings {
  std::string pattern;
  std::string precision;
  bool operator==(const PinSettings&) const = default;
};

/// What bytes, times or scores depend on besides model and device; `train --plan` starts from it.
struct TrainingSettings {
  std::int64_t batch = 0;
  std::vector<InputSettings> inputs;
  std::string loss;  // "cross-entropy", "mse", "bce", or "OUTPUT=KIND:WEIGHT,..." for several
  OptimizerSettings optimizer;
  double clip = 0;  // greatest gradient norm; 0: off
  std::int64_t accumulation = 1;
  std::string loss_scale = "auto";           // "auto", "off", "megatron", or a number
  std::string running_variance = "pytorch";  // or "onnx"
  std::uint64_t seed = 0;
  std::string effort = "normal";  // "fast", "normal", "thorough"
  std::string data;               // Dataset::label
  std::string data_hash;          // Dataset::content_hash
  std::vector<std::string> precisions;
  std::vector<PinSettings> pins;
  bool fp8_edges = false;
  std::string recompute = "off";  // or "auto"
  std::vector<std::string> freeze;
  std::vector<std::string> train;
  bool operator==(const TrainingSettings&) const = default;
};

/// A document that was read, and what a user should hear about it (keys of a newer minor version).
template <typename Document>
struct Read {
  Document value;
  std::vector<std::string> warnings;
};

}  // namespace mpsearch
