// Back to ONNX: a trained model as an ordinary file, and a plan as a strongly typed one. Used by
// the train and export commands.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/onnx/import.h"
#include "models/precision.h"

namespace mpsearch {

/// F32 elements by the name that a Parameter or State value has in the Model.
using TrainedValues = std::map<std::string, std::vector<float>>;

/// Adds the weights of the file that are tied to a table among `values` (Model::ties).
void add_tied(TrainedValues& values, const Model& model);

/// What a written file says of itself (metadata_props): preprocessing, tool, plan.
using FileMetadata = std::map<std::string, std::string>;

/// Bytes of the file and of the weights that lie beside it: about what export_trained will write.
/// Throws as import_model.
std::int64_t stored_bytes(const std::filesystem::path& original);

/// Writes the file at `original` with new values, each in the type that it had there, and with its
/// nodes in inference mode. Statistics that came from constant nodes become initializers. Weights
/// of more than 2 GB lie in "NAME.data" beside the file. Throws as import_model; Internal for a
/// name that the file does not have; CannotCreate, InputOutput.
void export_trained(const std::filesystem::path& original, const TrainedValues& values,
                    const FileMetadata& metadata, const std::filesystem::path& path);

/// One layer of a plan, as the exported nodes show it (metadata_props "mpsearch.precision", ...).
struct ExportedLayer {
  std::string name;
  Precision precision = Precision::FP32;
  double ms = 0;
  std::int64_t bytes = 0;
  double sensitivity = 0;
  std::string reason;
};

/// Writes the file at `original` with every layer in its precision, casts at the borders only:
/// - FP16 nodes are typed FLOAT16.
/// - BF16 nodes store BFLOAT16 between each other and compute in FLOAT on operands rounded to it,
/// since
///   ONNX Runtime has no BFLOAT16 kernels on CPUs.
/// - FP8 products take operands through QuantizeLinear and DequantizeLinear (FLOAT8E4M3FN, a power
/// of
///   two as scale, from the tensor's largest value); everything else in such a layer is BF16.
/// `values` are written too where there are any. Returns what the user should know, one line each.
/// Throws as export_trained; BadContent for a file that is not FLOAT throughout or has branches.
std::vector<std::string> export_plan(const std::filesystem::path& original,
                                     const ImportOptions& options,
                                     std::span<const ExportedLayer> layers,
                                     const TrainedValues& values, const FileMetadata& metadata,
                                     const std::filesystem::path& path);

}  // namespace mpsearch
