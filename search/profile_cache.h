// The profile cache: speed by device, sensitivity by what it depends on, as stored profiles in a
// folder. A damaged or foreign entry is no entry. Used by the planner alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/model.h"
#include "models/stored/plan.h"
#include "models/stored/profile.h"
#include "runtime/backend.h"
#include "search/sensitivity.h"
#include "search/speed_profile.h"

namespace mpsearch {

inline constexpr const char* kToolVersion = "0.1.0";

/// What a sensitivity profile depends on.
struct SensitivityKey {
  const Model& model;
  TrainingSettings settings;
  std::string data_hash;
  std::int64_t warmup_steps = 0;
  const std::vector<std::vector<Precision>>& precisions;  // that are scored, by layer
};

class ProfileCache {
 public:
  /// An empty folder name: nothing is found, nothing is kept.
  explicit ProfileCache(std::string folder) : folder_(std::move(folder)) {}

  SpeedProfile speed(const DeviceIdentity& device) const;
  void store_speed(const DeviceIdentity& device, const SpeedProfile& profile) const;

  std::optional<SensitivityProfile> sensitivity(const SensitivityKey& key) const;
  void store_sensitivity(const SensitivityKey& key, const SensitivityProfile& profile) const;

  /// Of a plan with these precisions and kernels, over so many steps on this device.
  std::optional<PairedCheck> paired(const SensitivityKey& key, const Plan& plan,
                                    std::int64_t steps) const;
  void store_paired(const SensitivityKey& key, const Plan& plan, const PairedCheck& check) const;

 private:
  std::string folder_;
};

}  // namespace mpsearch
