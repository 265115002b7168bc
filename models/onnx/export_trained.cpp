#include "models/onnx/export.h"

#include <algorithm>

#include "models/onnx/file.h"
#include "models/onnx/rewrite.h"
#include "models/onnx/write.h"

namespace mpsearch {

void add_tied(TrainedValues& values, const Model& model) {
  for (const Tie& tie : model.ties) {
    const auto found = values.find(tie.table);
    if (found == values.end()) continue;
    const std::vector<float>& table = found->second;
    std::vector<float> weight = table;
    if (tie.turned) {
      const auto of_table = [&](const Value& value) { return value.name == tie.table; };
      const Shape& shape = std::ranges::find_if(model.graph.values, of_table)->type.shape;
      const auto rows = static_cast<std::size_t>(shape[0]);
      const auto columns = static_cast<std::size_t>(shape[1]);
      for (std::size_t i = 0; i < table.size(); ++i) {
        weight[i % columns * rows + i / columns] = table[i];
      }
    }
    values[tie.weight] = std::move(weight);
  }
}

std::int64_t stored_bytes(const std::filesystem::path& original) {
  const ModelFile file = open_model(original);
  std::size_t bytes = file.mapping->bytes().size();
  for (const auto& [location, mapping] : file.external) bytes += mapping->bytes().size();
  return static_cast<std::int64_t>(bytes);
}

void export_trained(const std::filesystem::path& original, const TrainedValues& values,
                    const FileMetadata& metadata, const std::filesystem::path& path) {
  onnx::ModelProto model = rebuilt(original, values);
  set_metadata(model, metadata);
  write_model(model, path);
}

}  // namespace mpsearch
