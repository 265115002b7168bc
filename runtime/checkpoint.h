// Checkpoint: all that a training run needs to go on, bit for bit, under the same or another plan.
// Used by the trainer.
//
// The file: 16 bytes of magic, then records. A record is 32 bytes {marker, length of the name,
// bytes of the payload, XXH3 of the payload, XXH3 of the rest of these and the name}, the name and
// zeros up to 64 bytes, the payload and zeros up to 64 bytes. The first is the header
// (models/stored), the others are its tensors in order. Little-endian.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "kernels/tensor.h"
#include "models/stored/checkpoint_header.h"
#include "runtime/dataset_bytes.h"

namespace mpsearch {

/// A tensor in row-major order. `bytes` belong to the caller, or to CheckpointData::storage.
struct CheckpointTensor {
  std::string name;
  DType dtype = DType::F32;
  Shape shape;
  std::span<const std::byte> bytes;
};

struct CheckpointData {
  std::string tool_version;
  ModelIdentity model;
  std::string plan_json;
  std::vector<CheckpointTensor> tensors;  // masters, moments, running statistics
  std::vector<NamedScalar> scalars;       // loss scale, ...
  std::vector<NamedCounter> counters;     // attempt, Adam's t, seed, ...
  std::vector<MetricPoint> metrics;
  FileBytes storage;  // set by read_checkpoint: keeps the tensors' bytes

  /// Throw BadContent naming what the checkpoint lacks.
  const CheckpointTensor& tensor(const std::string& name) const;
  double scalar(const std::string& name) const;
  std::uint64_t counter(const std::string& name) const;
};

/// Replaces the file at `path` whole, or leaves it as it was. Errors: CannotCreate; InputOutput
/// with bytes needed and free where the disk is full.
void write_checkpoint(const std::string& path, const CheckpointData& data);

/// Errors: Missing, InputOutput; BadContent naming the record that is truncated or damaged.
CheckpointData read_checkpoint(const std::string& path);

}  // namespace mpsearch
