#include "models/stored/profile.h"

#include "models/stored/atomic_file.h"
#include "models/stored/binder.h"
#include "models/stored/message_json.h"
#include "profile.pb.h"

namespace mpsearch {

static void describe(Binder& bind, KernelTime& value) {
  bind("key", value.key)("algorithm", value.algorithm);
  bind("workspace_bytes", value.workspace_bytes)("deterministic", value.deterministic);
  bind("ms", value.ms)("spread", value.spread)("repeats", value.repeats);
}

static void describe(Binder& bind, LayerProfile& value) {
  bind("name", value.name)("op", value.op)("precision", value.precision);
  bind("forward_ms", value.forward_ms)("backward_ms", value.backward_ms);
  bind("update_ms", value.update_ms)("spread", value.spread)("sensitivity", value.sensitivity);
  bind("sensitivity_error", value.sensitivity_error);
  bind("saturated_share", value.saturated_share)("underflow_share", value.underflow_share);
  bind("excluded", value.excluded);
}

static void describe(Binder& bind, CastTime& value) {
  bind("from", value.from)("to", value.to)("bytes", value.bytes);
  bind("ms", value.ms)("spread", value.spread);
}

static void describe(Binder& bind, Profile& value) {
  bind("format", value.format)("schema_version", value.schema_version);
  bind("tool_version", value.tool_version)("model", value.model)("device", value.device);
  bind("settings", value.settings)("steps", value.steps)("warm_up_steps", value.warm_up_steps);
  bind("fp32_step_ms", value.fp32_step_ms)("notes", value.notes)("layers", value.layers);
  bind("kernels", value.kernels)("casts", value.casts);
}

std::string profile_to_json(const Profile& profile) {
  return message_to_json(to_message<stored::Profile>(profile), JsonLines::Document);
}

Read<Profile> profile_from_json(const std::string& text, const std::string& origin) {
  Read<Profile> read;
  stored::Profile message;
  document_from_json(text, origin, Profile().format, message, read.warnings);
  read.value = from_message<Profile>(std::move(message));
  return read;
}

void write_profile(const std::string& path, const Profile& profile) {
  write_file_atomically(path, profile_to_json(profile), "the profile");
}

Read<Profile> read_profile(const std::string& path) {
  return profile_from_json(read_whole_file(path), path);
}

}  // namespace mpsearch
