// Writing an output so that either the whole new file is there, or the old one untouched.
// Used for every file that mpsearch writes, logs apart.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace mpsearch {

/// A file under a temporary name beside `path`; commit() gives it its name. Destroyed before that,
/// it leaves nothing behind; what a killed process left is taken over by the next writer. Errors
/// name `what` is saved ("the plan") and `path`: CannotCreate before the first byte, InputOutput
/// after it, with bytes needed and free where the disk is full.
class AtomicFile {
 public:
  AtomicFile(std::string path, std::string what);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  /// Flushes, closes and renames, then flushes the folder: after it the file survives a power cut.
  void commit();

  /// What should still be written in all, for the error text of a full disk.
  void expect_bytes(std::size_t bytes) { expected_ = bytes; }

 private:
  void open_temporary();
  [[noreturn]] void fail(int code, const char* doing) const;

  std::string path_;
  std::string what_;
  std::string temporary_;
  int file_ = -1;
  std::size_t written_ = 0;
  std::size_t expected_ = 0;
};

/// AtomicFile for content that is at hand.
void write_file_atomically(const std::string& path, std::string_view content,
                           const std::string& what);

/// The whole content of a regular file. Errors: Missing, InputOutput, BadContent (not a file).
std::string read_whole_file(const std::string& path);

}  // namespace mpsearch
