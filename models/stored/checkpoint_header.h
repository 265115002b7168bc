// The first record of a checkpoint file: what the file holds, and everything that is no tensor.
// Used by runtime/checkpoint.h.
#pragma once

#include "models/stored/identity.h"

namespace mpsearch {

/// Type of a tensor record; dtype is name_of(DType), the shape in the model's logical order.
struct StoredTensor {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  bool operator==(const StoredTensor&) const = default;
};

struct NamedScalar {
  std::string name;
  double value = 0;
  bool operator==(const NamedScalar&) const = default;
};

struct NamedCounter {
  std::string name;
  std::uint64_t value = 0;
  bool operator==(const NamedCounter&) const = default;
};

/// One entry of the metric history.
struct MetricPoint {
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  std::string name;
  double value = 0;
  double loss = 0;
  bool operator==(const MetricPoint&) const = default;
};

struct CheckpointHeader {
  SchemaVersion schema_version;
  std::string tool_version;
  ModelIdentity model;
  std::string plan_json;    // plan_to_json of the plan that the run obeyed; empty: none
  std::string plan_sha256;  // of plan_json
  std::vector<StoredTensor> tensors;
  std::vector<NamedScalar> scalars;
  std::vector<NamedCounter> counters;
  std::vector<MetricPoint> metrics;
  bool operator==(const CheckpointHeader&) const = default;
};

/// Protobuf's binary form; equal headers give equal bytes.
std::string checkpoint_header_to_bytes(const CheckpointHeader& header);

/// Throws BadContent at `origin` for bytes that are no header of this schema's major version.
CheckpointHeader checkpoint_header_from_bytes(const std::string& bytes, const std::string& origin);

}  // namespace mpsearch
