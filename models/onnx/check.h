// Is the file a model that we can read, and of which size? Versions, ONNX's checker, functions,
// input dims, strict shape inference. Internal to models/onnx.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/onnx/file.h"
#include "models/onnx/import.h"

namespace mpsearch {

/// Sizes of the data inputs, in their order.
struct InputSizes {
  std::vector<std::pair<std::string, Shape>> shapes;   // as asked for
  std::vector<std::pair<std::string, Shape>> written;  // as in the file, its symbols replaced
  std::int64_t batch = 0;
  std::int64_t written_batch = 0;

  bool rewritten() const { return shapes != written; }
};

/// Opset of the standard operators.
int opset_of(const onnx::ModelProto& model);

/// IR 3-14, opset 1-28, ONNX's checker. Opsets below 6 are converted, functions expanded. Throws
/// BadContent.
void check_and_expand(ModelFile& file);

/// Turns constant nodes that are read as weights into initializers, as some exporters should have
/// written them (lift.cpp).
void lift_weights(ModelFile& file);

/// Exporters merge initializers that are equal when they are written. Those of one repeated number
/// (a fresh norm's ones, biases of zeros) that layers share for no other reason become one for each
/// layer again (unmerge.cpp).
void separate_merged(ModelFile& file);

/// Replaces constant elements of split sequences by slices (sequences.cpp).
void remove_sequences(onnx::GraphProto& graph);

/// Replaces operators that we do not have by the bodies that ONNX defines for them, where we have
/// all of a body (expand.cpp).
void expand_operators(onnx::ModelProto& model);

/// Applies --batch and --input. Throws Usage where they fit no input or leave a dimension open.
InputSizes input_sizes(const ModelFile& file, const ImportOptions& options);

/// Exporters compute Expand of a learned row (a class token, the first state of latents) to the
/// batch. Such an initializer becomes its row and the Expand again (rows.cpp), so that it stays one
/// parameter and follows --batch.
void share_rows(ModelFile& file, std::int64_t batch);

/// Writes the sizes of the file itself into the graph's inputs and lets ONNX infer all shapes.
/// Returns what its strict inference complains of, or nothing: where an operator is not ours the
/// complaint may be wrong, so it counts only after the conversion.
std::string infer_shapes(ModelFile& file, const InputSizes& sizes);

}  // namespace mpsearch
