// Writing an ONNX file so that a reader never sees half of it. Internal to models/onnx.
#pragma once

#include <filesystem>
#include <functional>

#include "models/onnx/proto.h"

namespace mpsearch {

/// Calls `write` with the descriptor of a temporary file beside `path`, then syncs and renames it.
/// Throws CannotCreate where the file cannot be made, InputOutput (old file kept) where `write`
/// returns false, with errno in the text.
void write_atomically(const std::filesystem::path& path, const std::function<bool(int)>& write);

/// Writes the model. Throws BadContent where it exceeds Protobuf's 2 GiB.
void write_model(const onnx::ModelProto& model, const std::filesystem::path& path);

}  // namespace mpsearch
