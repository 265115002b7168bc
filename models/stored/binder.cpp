#include "models/stored/binder.h"

#include "kernels/error.h"

namespace mpsearch {

const google::protobuf::FieldDescriptor* Binder::field(const char* name) const {
  const Field* found = message_.GetDescriptor()->FindFieldByName(name);
  require(found != nullptr, ErrorKind::Internal,
          message_.GetDescriptor()->name() + " has no field " + name);
  return found;
}

void Binder::bind(const Field& field, std::int64_t& value) {
  if (writes()) return access().SetInt64(&message_, &field, value);
  value = access().GetInt64(message_, &field);
}

void Binder::bind(const Field& field, std::uint64_t& value) {
  if (writes()) return access().SetUInt64(&message_, &field, value);
  value = access().GetUInt64(message_, &field);
}

void Binder::bind(const Field& field, double& value) {
  if (writes()) return access().SetDouble(&message_, &field, value);
  value = access().GetDouble(message_, &field);
}

void Binder::bind(const Field& field, bool& value) {
  if (writes()) return access().SetBool(&message_, &field, value);
  value = access().GetBool(message_, &field);
}

void Binder::bind(const Field& field, std::string& value) {
  if (writes()) return access().SetString(&message_, &field, value);
  value = access().GetString(message_, &field);
}

void Binder::bind(const Field& field, Precision& value) {
  if (writes()) return access().SetEnumValue(&message_, &field, static_cast<int>(value));
  value = static_cast<Precision>(access().GetEnumValue(message_, &field));
}

void Binder::bind(const Field& field, std::vector<std::string>& values) {
  if (writes()) {
    for (const std::string& value : values) access().AddString(&message_, &field, value);
    return;
  }
  values.clear();
  for (int i = 0; i < access().FieldSize(message_, &field); ++i) {
    values.push_back(access().GetRepeatedString(message_, &field, i));
  }
}

void Binder::bind(const Field& field, std::vector<std::int64_t>& values) {
  if (writes()) {
    for (const std::int64_t value : values) access().AddInt64(&message_, &field, value);
    return;
  }
  values.clear();
  for (int i = 0; i < access().FieldSize(message_, &field); ++i) {
    values.push_back(access().GetRepeatedInt64(message_, &field, i));
  }
}

void describe(Binder& bind, SchemaVersion& value) {
  bind("major", value.major)("minor", value.minor);
}

void describe(Binder& bind, ModelIdentity& value) {
  bind("name", value.name)("sha256", value.sha256);
}

void describe(Binder& bind, DeviceIdentity& value) {
  bind("name", value.name)("backend", value.backend)("threads", value.threads);
  bind("modelled", value.modelled)("libraries", value.libraries);
}

static void describe(Binder& bind, InputSettings& value) {
  bind("name", value.name)("dtype", value.dtype)("shape", value.shape);
}

static void describe(Binder& bind, OptimizerSettings& value) {
  bind("kind", value.kind)("learning_rate", value.learning_rate)("momentum", value.momentum);
  bind("dampening", value.dampening)("nesterov", value.nesterov);
  bind("weight_decay", value.weight_decay)("beta1", value.beta1)("beta2", value.beta2);
  bind("epsilon", value.epsilon);
}

static void describe(Binder& bind, PinSettings& value) {
  bind("pattern", value.pattern)("precision", value.precision);
}

void describe(Binder& bind, TrainingSettings& value) {
  bind("batch", value.batch)("inputs", value.inputs)("loss", value.loss);
  bind("optimizer", value.optimizer)("clip", value.clip)("accumulation", value.accumulation);
  bind("loss_scale", value.loss_scale)("running_variance", value.running_variance);
  bind("seed", value.seed)("effort", value.effort)("data", value.data);
  bind("data_hash", value.data_hash)("precisions", value.precisions)("pins", value.pins);
  bind("fp8_edges", value.fp8_edges)("recompute", value.recompute);
  bind("freeze", value.freeze)("train", value.train);
}

}  // namespace mpsearch
