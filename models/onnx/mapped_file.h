// A file as read-only memory, and the containment that external data needs. Internal to
// models/onnx.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace mpsearch {

/// Unmapped when destroyed.
class MappedFile {
 public:
  /// Throws Missing where there is no such file, InputOutput where it cannot be read.
  explicit MappedFile(const std::filesystem::path& path);
  /// Takes the descriptor of an open file; `name` is for messages.
  MappedFile(int descriptor, const std::string& name);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  void map(int descriptor, const std::string& name);

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Opens `location` below `folder` for reading. No part of it may leave the folder: no absolute
/// path, no "..", no symlink that points outside. Throws BadContent (Missing where nothing is
/// there), naming `tensor`.
int open_contained(const std::filesystem::path& folder, const std::string& location,
                   const std::string& tensor);

}  // namespace mpsearch
