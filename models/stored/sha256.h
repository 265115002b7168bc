// SHA-256, by which documents name models and plans. Used by models/onnx, search and runtime.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mpsearch {

/// 64 hexadecimal digits, lower case.
std::string sha256_of(std::string_view bytes);

/// Of a file's content, read piece by piece. Errors: Missing, InputOutput.
std::string sha256_of_file(const std::string& path);

}  // namespace mpsearch
