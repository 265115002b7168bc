#include "search/profile_cache.h"

#include <xxhash.h>

#include <filesystem>

#include <fmt/format.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

std::string hash_of(const std::string& text) {
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

std::string device_text(const DeviceIdentity& device) {
  std::string text =
      fmt::format("{}|{}|{}|{}", kToolVersion, device.backend, device.name, device.threads);
  for (const std::string& library : device.libraries) text += '|' + library;
  return text;
}

/// What a plan may choose changes no measurement.
TrainingSettings measured_settings(const SensitivityKey& key) {
  TrainingSettings settings = key.settings;
  settings.data_hash = key.data_hash;
  settings.precisions.clear();
  settings.pins.clear();
  settings.fp8_edges = false;
  return settings;
}

/// Everything that the scores depend on, as one text: an empty document of that profile.
std::string sensitivity_text(const SensitivityKey& key) {
  Profile profile;
  profile.tool_version = kToolVersion;
  profile.model = {"", key.model.sha256};
  profile.settings = measured_settings(key);
  for (std::size_t i = 0; i < key.precisions.size(); ++i) {
    for (const Precision precision : key.precisions[i]) {
      LayerProfile asked;
      asked.name = key.model.graph.layers[i].name;
      asked.precision = precision;
      profile.layers.push_back(std::move(asked));
    }
  }
  profile.warm_up_steps = key.warmup_steps;
  return profile_to_json(profile);
}

/// What a paired check depends on, as one text.
std::string paired_text(const SensitivityKey& key, const Plan& plan, std::int64_t steps) {
  Plan asked;
  asked.model = {"", key.model.sha256};
  asked.device = plan.device;
  asked.settings = measured_settings(key);
  for (const PlannedLayer& layer : plan.layers) {
    PlannedLayer precision;
    precision.name = layer.name;
    precision.precision = layer.precision;
    asked.layers.push_back(std::move(precision));
  }
  asked.kernels = plan.kernels;
  asked.paired_check = PairedCheck{0, 0, 0, steps};
  return device_text(plan.device) + plan_to_json(asked);
}

std::string path_in(const std::string& folder, const std::string& kind, const std::string& text) {
  return (std::filesystem::path(folder) / (kind + '-' + hash_of(text) + ".json")).string();
}

std::optional<Profile> stored(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    return read_profile(path).value;
  } catch (const Error&) {
    return std::nullopt;  // measured again and overwritten
  }
}

void store(const std::string& folder, const std::string& path, const Profile& profile) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) {
    throw Error(ErrorKind::CannotCreate, {.what = "cannot create the profile cache",
                                          .at = folder,
                                          .why = failed.message(),
                                          .try_ = "--profile-cache with a folder of yours"});
  }
  write_profile(path, profile);
}

}  // namespace

SpeedProfile ProfileCache::speed(const DeviceIdentity& device) const {
  SpeedProfile profile;
  if (folder_.empty()) return profile;
  const std::optional<Profile> found = stored(path_in(folder_, "speed", device_text(device)));
  if (!found || found->device != device) return profile;
  for (const KernelTime& kernel : found->kernels) {
    profile.kernels[kernel.key] = {kernel.algorithm, kernel.workspace_bytes, kernel.deterministic};
    if (kernel.repeats > 0) {
      profile.timings[kernel.key] = {kernel.ms, kernel.spread, static_cast<int>(kernel.repeats)};
    }
  }
  return profile;
}

void ProfileCache::store_speed(const DeviceIdentity& device, const SpeedProfile& profile) const {
  if (folder_.empty()) return;
  Profile document;
  document.tool_version = kToolVersion;
  document.device = device;
  for (const auto& [key, choice] : profile.kernels) {
    KernelTime kernel{key, choice.algorithm, choice.workspace_bytes, choice.deterministic};
    if (const auto timing = profile.timings.find(key); timing != profile.timings.end()) {
      kernel.ms = timing->second.ms;
      kernel.spread = timing->second.spread;
      kernel.repeats = timing->second.repeats;
    }
    document.kernels.push_back(std::move(kernel));
  }
  store(folder_, path_in(folder_, "speed", device_text(device)), document);
}

std::optional<SensitivityProfile> ProfileCache::sensitivity(const SensitivityKey& key) const {
  if (folder_.empty()) return std::nullopt;
  const std::optional<Profile> found =
      stored(path_in(folder_, "sensitivity", sensitivity_text(key)));
  if (!found || found->model.sha256 != key.model.sha256) return std::nullopt;
  SensitivityProfile profile;
  profile.steps = found->steps;
  profile.warmup_steps = found->warm_up_steps;
  const std::vector<Layer>& layers = key.model.graph.layers;
  for (const LayerProfile& entry : found->layers) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].name != entry.name) continue;
      profile.scores[{static_cast<LayerId>(i), entry.precision}] = {
          entry.sensitivity.value_or(0), entry.sensitivity_error.value_or(0), entry.excluded};
    }
  }
  return profile;
}

void ProfileCache::store_sensitivity(const SensitivityKey& key,
                                     const SensitivityProfile& profile) const {
  if (folder_.empty()) return;
  Profile document;
  document.tool_version = kToolVersion;
  document.model = {key.model.name, key.model.sha256};
  document.settings = measured_settings(key);
  document.steps = profile.steps;
  document.warm_up_steps = profile.warmup_steps;
  for (const auto& [of, score] : profile.scores) {
    const Layer& layer = key.model.graph.layers[static_cast<std::size_t>(of.first)];
    LayerProfile entry;
    entry.name = layer.name;
    entry.op = layer.op;
    entry.precision = of.second;
    entry.sensitivity = score.score;
    entry.sensitivity_error = score.error;
    entry.excluded = score.out_of_range;
    document.layers.push_back(std::move(entry));
  }
  store(folder_, path_in(folder_, "sensitivity", sensitivity_text(key)), document);
}

std::optional<PairedCheck> ProfileCache::paired(const SensitivityKey& key, const Plan& plan,
                                                std::int64_t steps) const {
  if (folder_.empty()) return std::nullopt;
  const std::string path = path_in(folder_, "paired", paired_text(key, plan, steps));
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const Plan found = read_plan(path).value;
    if (found.model.sha256 == key.model.sha256) return found.paired_check;
  } catch (const Error&) {
    // measured again and overwritten
  }
  return std::nullopt;
}

void ProfileCache::store_paired(const SensitivityKey& key, const Plan& plan,
                                const PairedCheck& check) const {
  if (folder_.empty()) return;
  Plan document;
  document.tool_version = kToolVersion;
  document.model = plan.model;
  document.device = plan.device;
  document.paired_check = check;
  write_plan(path_in(folder_, "paired", paired_text(key, plan, check.steps)), document);
}

}  // namespace mpsearch
