#include "models/onnx/export.h"
#include "models/onnx/rewrite.h"
#include "models/onnx/write.h"

namespace mpsearch {

void export_trained(const std::filesystem::path& original, const TrainedValues& values,
                    const FileMetadata& metadata, const std::filesystem::path& path) {
  onnx::ModelProto model = rebuilt(original, values);
  set_metadata(model, metadata);
  write_model(model, path);
}

}  // namespace mpsearch
