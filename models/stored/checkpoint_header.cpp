#include "models/stored/checkpoint_header.h"

#include "checkpoint.pb.h"
#include "kernels/error.h"
#include "models/stored/binder.h"

namespace mpsearch {

static void describe(Binder& bind, StoredTensor& value) {
  bind("name", value.name)("dtype", value.dtype)("shape", value.shape);
}

static void describe(Binder& bind, NamedScalar& value) {
  bind("name", value.name)("value", value.value);
}

static void describe(Binder& bind, NamedCounter& value) {
  bind("name", value.name)("value", value.value);
}

static void describe(Binder& bind, MetricPoint& value) {
  bind("step", value.step)("epoch", value.epoch)("name", value.name);
  bind("value", value.value)("loss", value.loss);
}

static void describe(Binder& bind, CheckpointHeader& value) {
  bind("schema_version", value.schema_version)("tool_version", value.tool_version);
  bind("model", value.model)("plan_json", value.plan_json)("plan_sha256", value.plan_sha256);
  bind("tensors", value.tensors)("scalars", value.scalars)("counters", value.counters);
  bind("metrics", value.metrics);
}

std::string checkpoint_header_to_bytes(const CheckpointHeader& header) {
  return to_message<stored::CheckpointHeader>(header).SerializeAsString();
}

CheckpointHeader checkpoint_header_from_bytes(const std::string& bytes, const std::string& origin) {
  stored::CheckpointHeader message;
  if (!message.ParseFromString(bytes)) {
    throw Error(
        ErrorKind::BadContent,
        {.what = "the checkpoint's header is damaged", .at = origin, .why = {}, .try_ = {}});
  }
  if (message.schema_version().major() != kSchemaMajor) {
    throw Error(
        ErrorKind::BadContent,
        {.what = "the file was written by another version of mpsearch",
         .at = origin,
         .why = "its schema version is " + std::to_string(message.schema_version().major()) +
                ", this program reads " + std::to_string(kSchemaMajor),
         .try_ = "resume with the version that wrote it: " + message.tool_version()});
  }
  return from_message<CheckpointHeader>(std::move(message));
}

}  // namespace mpsearch
