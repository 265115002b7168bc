// Profile: what was measured of a model on a device: kernel and cast times, layer times and
// sensitivities. Used by search (writes and reads) and reports.
#pragma once

#include "models/stored/identity.h"

namespace mpsearch {

/// One kernel call by one algorithm, timed on the device.
struct KernelTime {
  std::string key;  // key_of(KernelCall)
  std::string algorithm;
  std::int64_t workspace_bytes = 0;
  bool deterministic = true;
  double ms = 0;      // median
  double spread = 0;  // of the median, as a share of it
  std::int64_t repeats = 0;
  bool operator==(const KernelTime&) const = default;
};

struct LayerProfile {
  std::string name;
  std::string op;
  Precision precision = Precision::FP32;
  double forward_ms = 0;
  double backward_ms = 0;
  double update_ms = 0;
  double spread = 0;
  std::optional<double> sensitivity;        // score (search.md, section 2)
  std::optional<double> sensitivity_error;  // its standard error
  double saturated_share = 0;               // of values above the format's greatest
  double underflow_share = 0;               // of values below half its least
  std::string excluded;                     // why the precision may not be chosen; empty: it may
  bool operator==(const LayerProfile&) const = default;
};

/// Forms are texts as to_string(Form): "F32", "BF16:nhwc".
struct CastTime {
  std::string from;
  std::string to;
  std::int64_t bytes = 0;
  double ms = 0;
  double spread = 0;
  bool operator==(const CastTime&) const = default;
};

struct Profile {
  std::string format = "mpsearch profile";
  SchemaVersion schema_version;
  std::string tool_version;
  ModelIdentity model;
  DeviceIdentity device;
  TrainingSettings settings;
  double steps = 0;  // spent on measuring, in FP32 training steps
  std::int64_t warm_up_steps = 0;
  double fp32_step_ms = 0;
  std::vector<std::string> notes;
  std::vector<LayerProfile> layers;
  std::vector<KernelTime> kernels;
  std::vector<CastTime> casts;
  bool operator==(const Profile&) const = default;
};

/// As plan_to_json, plan_from_json, write_plan and read_plan.
std::string profile_to_json(const Profile& profile);
Read<Profile> profile_from_json(const std::string& text, const std::string& origin);
void write_profile(const std::string& path, const Profile& profile);
Read<Profile> read_profile(const std::string& path);

}  // namespace mpsearch
