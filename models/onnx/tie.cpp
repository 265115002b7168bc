#include "models/onnx/tie.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "models/onnx/attributes.h"

namespace mpsearch {
namespace {

/// The matrix that input `index` of the node is, if it is one of the file's float initializers.
const Initializer* matrix(const ModelFile& file, const onnx::NodeProto& node, int index) {
  if (index >= node.input_size()) return nullptr;
  const Initializer* found = file.initializer(node.input(index));
  const bool fits = found != nullptr && found->shape.size() == 2 && onnx_is_float(found->type) &&
                    !found->data.empty();
  return fits ? found : nullptr;
}

/// Whether `b` holds the elements of `a`, turned or not; equal elements throughout prove nothing.
bool same_elements(const Initializer& a, const Initializer& b, bool turned) {
  const auto rows = static_cast<std::size_t>(a.shape[0]);
  const auto columns = static_cast<std::size_t>(a.shape[1]);
  const std::size_t size = a.data.size() / std::max<std::size_t>(1, rows * columns);
  const auto differ = [size](const std::byte* x, const std::byte* y) {
    return std::memcmp(x, y, size) != 0;
  };
  bool even = true;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      const std::byte* const x = a.data.data() + (r * columns + c) * size;
      const std::size_t at = turned ? c * rows + r : r * columns + c;
      if (differ(x, b.data.data() + at * size)) return false;
      even = even && !differ(x, a.data.data());
    }
  }
  return !even;
}

}  // namespace

std::vector<Tie> tied_weights(const ModelFile& file) {
  std::set<const Initializer*> tables, weights;
  for (const onnx::NodeProto& node : file.proto.graph().node()) {
    if (node.op_type() == "Gather" && integer_of(node, "axis", 0) == 0) {
      tables.insert(matrix(file, node, 0));
    } else if (node.op_type() == "MatMul" || node.op_type() == "Gemm") {
      weights.insert(matrix(file, node, 1));
    }
  }
  tables.erase(nullptr);
  weights.erase(nullptr);
  std::vector<Tie> ties;
  for (const Initializer* weight : weights) {
    for (const Initializer* table : tables) {
      if (tables.contains(weight) || table->type != weight->type) continue;
      const Shape turned{table->shape[1], table->shape[0]};
      const bool as_turned = weight->shape == turned && same_elements(*table, *weight, true);
      const bool as_is =
          !as_turned && weight->shape == table->shape && same_elements(*table, *weight, false);
      if (!as_turned && !as_is) continue;
      ties.push_back({table->name, weight->name, as_turned});
      break;
    }
  }
  return ties;
}

}  // namespace mpsearch
