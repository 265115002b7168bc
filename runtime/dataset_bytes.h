// Read-only bytes that a data array lies in: a mapped file, or memory that we filled by unpacking.
// Used by the data readers only.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace mpsearch {

class FileBytes {
 public:
  /// Maps a regular file. Errors: Missing, InputOutput (no permission), BadContent (not a file).
  static FileBytes map(const std::string& path);
  static FileBytes own(std::vector<std::byte> bytes);
  /// `size` bytes that `unpack` makes of `packed` when they are first looked at. `unpack` throws
  /// where it cannot give exactly that many.
  static FileBytes unpacked_later(FileBytes packed, std::size_t size,
                                  std::function<std::vector<std::byte>()> unpack);

  std::span<const std::byte> view() const { return later_ ? unpacked() : view_; }
  std::size_t size() const { return later_ ? later_size_ : view_.size(); }
  /// What view() will be made of; empty where it is there as it is.
  std::span<const std::byte> packed() const {
    return later_ ? view_ : std::span<const std::byte>();
  }

 private:
  struct Later;
  std::span<const std::byte> unpacked() const;

  std::shared_ptr<Later> later_;
  std::size_t later_size_ = 0;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
};

/// Given the first bytes (at most kHeadBytes) of unpacked content, how many bytes it should have.
using SizeOfContent = std::function<std::size_t(std::span<const std::byte> head)>;
/// Fills a buffer with the next unpacked bytes; fewer than asked for only at the end. May throw.
using ReadMore = std::function<std::size_t(std::span<std::byte> buffer)>;
inline constexpr std::size_t kHeadBytes = 64 * 1024;

/// Unpacks what the head says and at most one byte more (which tells an overlong file), growing
/// with what really arrives: a small file cannot make us allocate what its header claims.
std::vector<std::byte> unpack(const ReadMore& read_more, const SizeOfContent& size_of);

/// Content of a gzip file. Errors: BadContent (damaged, with zlib's reason).
std::vector<std::byte> unpack_gzip(const std::string& path, const SizeOfContent& size_of);

bool starts_with(std::span<const std::byte> bytes, std::string_view magic);

}  // namespace mpsearch
