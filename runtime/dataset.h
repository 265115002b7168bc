// A data set fitted to a model: one array for each model input and each target. Readers are chosen
// by looking at the path. Used by the trainer, the profilers and the commands that take --data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/dataset_array.h"

namespace mpsearch {

/// What the model wants of one array; shapes are without the batch dimension, -1 stands for any.
struct ArrayRequest {
  std::string name;
  DType dtype = DType::F32;  // F32, I32 or I64
  Shape sample_shape;
  std::int64_t integers_below = 0;  // > 0: integers must be in [0, integers_below)
};

struct DataRequest {
  std::vector<ArrayRequest> inputs;
  /// One a loss. Their names are those of an NPZ file's arrays; types and shapes are for
  /// `synthetic` alone: files say what their targets are.
  std::vector<ArrayRequest> targets;
  std::vector<float> mean, std;  // of inputs written as F32, after u8 / 255
  std::uint64_t seed = 0;        // of synthetic values
  std::int64_t synthetic_samples = 1024;
};

struct Dataset {
  std::string label;               // "synthetic", or the path as the user wrote it
  std::vector<DataArray> inputs;   // as DataRequest::inputs, in their shapes
  std::vector<DataArray> targets;  // as DataRequest::targets

  std::int64_t samples() const { return targets.at(0).samples(); }
  /// 16 hexadecimal digits over types, shapes and values, packed as they lie on the disk: part of
  /// profile cache keys.
  std::string content_hash() const;
};

struct DataSplits {
  Dataset train;
  std::optional<Dataset> evaluate;  // where the folder holds test files too
};

/// Opens what `--data` names: `synthetic`; a folder with Fashion-MNIST's IDX files (.gz or not) or
/// CIFAR's binary files; an NPZ file (arrays named as the inputs and targets); or files with
/// commas between, NPY or IDX: the inputs in the model's order, then the targets. Errors: Missing
/// with the nearest name; BadContent for unknown layouts, damaged files, shapes or types that do
/// not fit the model, numbers that are not finite; Usage for a missing part. The targets' ranges
/// are the caller's to check (DataArray::require_below), once the loss is known.
DataSplits open_data(const std::string& spec, const DataRequest& request);

}  // namespace mpsearch
