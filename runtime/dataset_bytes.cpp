#include "runtime/dataset_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "kernels/error.h"
#include "kernels/nearest.h"

namespace mpsearch {
namespace {

[[noreturn]] void fail_to_open(const std::string& path, int code) {
  const bool missing = code == ENOENT || code == ENOTDIR;
  throw Error(missing ? ErrorKind::Missing : ErrorKind::InputOutput,
              {.what = missing ? "the file does not exist" : "the file cannot be read",
               .at = path,
               .why = std::strerror(code),
               .try_ = missing ? did_you_mean_file(path) : std::string()});
}

}  // namespace

FileBytes FileBytes::map(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail_to_open(path, errno);
  const std::shared_ptr<void> closer(nullptr, [file](void*) { close(file); });
  struct stat info = {};
  if (fstat(file, &info) != 0) fail_to_open(path, errno);
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorKind::BadContent,
                {.what = "not a regular file",
                 .at = path,
                 .why = S_ISDIR(info.st_mode) ? "it is a folder" : "it is a device or a pipe",
                 .try_ = {}});
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  FileBytes bytes;
  if (size == 0) return bytes;
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED) fail_to_open(path, errno);
  bytes.owner_ = std::shared_ptr<const void>(
      data, [size](const void* p) { munmap(const_cast<void*>(p), size); });
  bytes.view_ = {static_cast<const std::byte*>(data), size};
  return bytes;
}

FileBytes FileBytes::own(std::vector<std::byte> content) {
  const auto shared = std::make_shared<const std::vector<std::byte>>(std::move(content));
  FileBytes bytes;
  bytes.view_ = *shared;
  bytes.owner_ = shared;
  return bytes;
}

struct FileBytes::Later {
  std::once_flag once;
  std::function<std::vector<std::byte>()> unpack;
  std::vector<std::byte> content;
};

FileBytes FileBytes::unpacked_later(FileBytes packed, std::size_t size,
                                    std::function<std::vector<std::byte>()> unpack) {
  packed.later_ = std::make_shared<Later>();
  packed.later_->unpack = std::move(unpack);
  packed.later_size_ = size;
  return packed;
}

std::span<const std::byte> FileBytes::unpacked() const {
  std::call_once(later_->once, [this] { later_->content = later_->unpack(); });
  return later_->content;
}

std::vector<std::byte> unpack(const ReadMore& read_more, const SizeOfContent& size_of) {
  std::vector<std::byte> content(kHeadBytes);
  std::size_t filled = read_more(content);
  content.resize(filled);
  if (filled < kHeadBytes) return content;
  const std::size_t wanted = size_of(content);
  constexpr std::size_t kChunk = std::size_t{4} << 20;
  while (filled <= wanted) {
    const std::size_t ask = std::min(kChunk, wanted - filled + 1);
    content.resize(filled + ask);
    const std::size_t got = read_more(std::span(content).subspan(filled, ask));
    filled += got;
    content.resize(filled);
    if (got < ask) break;
  }
  return content;
}

std::vector<std::byte> unpack_gzip(const std::string& path, const SizeOfContent& size_of) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_to_open(path, errno);
  gzFile stream = gzdopen(file, "rb");
  if (stream == nullptr) {
    close(file);
    throw Error(ErrorKind::OutOfMemory, "no memory to unpack " + path);
  }
  const std::shared_ptr<void> closer(nullptr, [stream](void*) { gzclose(stream); });
  const auto read_more = [&](std::span<std::byte> buffer) {
    const int got = gzread(stream, buffer.data(), static_cast<unsigned>(buffer.size()));
    int code = Z_OK;
    const char* reason = gzerror(stream, &code);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      throw Error(ErrorKind::BadContent,
                  {.what = "the gzip file is damaged",
                   .at = path,
                   .why = code == Z_BUF_ERROR ? "it ends in the middle of its data" : reason,
                   .try_ = "fetch the file again"});
    }
    return static_cast<std::size_t>(got);
  };
  return unpack(read_more, size_of);
}

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace mpsearch
