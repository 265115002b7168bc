// Writing an ONNX file so that a reader never sees half of it. Internal to models/onnx.
#pragma once

#include <cstdint>
#include <filesystem>

#include "models/onnx/proto.h"

namespace mpsearch {

/// Protobuf's limit is 2^31 - 1 bytes; what is not a weight needs some of it.
inline constexpr std::int64_t kMaxInlineWeights = 2'000'000'000;

/// Writes the model. Where its initializers exceed `most` bytes they go into "NAME.data" beside it,
/// and `model` then refers to that. Throws CannotCreate, InputOutput.
void write_model(onnx::ModelProto& model, const std::filesystem::path& path,
                 std::int64_t most = kMaxInlineWeights);

}  // namespace mpsearch
