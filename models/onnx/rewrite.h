// What both exports share: the whole model again, with new values, in inference mode. Internal to
// models/onnx.
#pragma once

#include <string>

#include "models/onnx/export.h"
#include "models/onnx/file.h"

namespace mpsearch {

/// The file's model with all payloads in place, every node named, in inference mode, and `values`
/// written. Functions are expanded as for an import.
onnx::ModelProto rebuilt(const std::filesystem::path& original, const TrainedValues& values);

/// Adds entries to metadata_props, or replaces them.
void set_metadata(onnx::ModelProto& model, const FileMetadata& metadata);

/// Name of the State value of a BatchNormalization whose mean (or variance) is no initializer.
std::string statistic_name(const std::string& node, bool variance);

}  // namespace mpsearch
