#include "models/stored/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "kernels/error.h"
#include "kernels/nearest.h"

namespace mpsearch {
namespace {

namespace fs = std::filesystem;

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// The file behind symbolic links: renaming over a link would replace the link.
std::string resolved(const std::string& path) {
  std::error_code ignored;
  const bool device = fs::exists(path, ignored) && !fs::is_regular_file(path, ignored);
  if (device || !fs::is_symlink(path, ignored)) return path;
  const fs::path target = fs::weakly_canonical(path, ignored);
  return target.empty() ? path : target.string();
}

/// Whether the open file at `name` is ours to fill: new, or left by a writer that was killed. A
/// living writer holds a lock on it, or has renamed it meanwhile.
bool taken_over(int file, const std::string& name) {
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  struct stat opened = {};
  struct stat there = {};
  if (fstat(file, &opened) != 0 || lstat(name.c_str(), &there) != 0) return false;
  return opened.st_dev == there.st_dev && opened.st_ino == there.st_ino && ftruncate(file, 0) == 0;
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string what)
    : path_(resolved(path)), what_(std::move(what)) {
  struct stat old = {};
  const bool exists = stat(path_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail(EISDIR, "cannot be created");
  if (exists && !S_ISREG(old.st_mode)) {  // /dev/stdout, a pipe: nothing to rename
    file_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail(errno, "cannot be created");
    return;
  }
  open_temporary();
  if (exists) fchmod(file_, old.st_mode & 0777);
}

void AtomicFile::open_temporary() {
  constexpr int kMostWriters = 1000;
  for (int writer = 0; file_ < 0; ++writer) {
    const std::string name =
        fmt::format("{}/.{}.{}.tmp", folder_of(path_), fs::path(path_).filename().string(), writer);
    const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file >= 0 && taken_over(file, name)) {
      file_ = file;
      temporary_ = name;
      return;
    }
    const int code = file >= 0 ? EEXIST : errno;
    if (file >= 0) close(file);
    if ((code != EEXIST && code != ELOOP) || writer == kMostWriters) {
      fail(code, "cannot be created");
    }
  }
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::fail(int code, const char* doing) const {
  std::string why = std::strerror(code);
  if (code == ENOSPC || code == EDQUOT) {
    struct statvfs disk = {};
    if (statvfs(folder_of(path_).c_str(), &disk) == 0) {
      // What the temporary file holds is given back.
      const auto free = static_cast<std::size_t>(disk.f_bavail) * disk.f_frsize + written_;
      why += fmt::format(": needs {} bytes, {} are free", std::max(expected_, written_), free);
    }
  }
  std::error_code ignored;
  const bool old = !temporary_.empty() && fs::exists(path_, ignored);
  throw Error(
      file_ < 0 ? ErrorKind::CannotCreate : ErrorKind::InputOutput,
      {.what = fmt::format("{} {}", what_, doing),
       .at = path_,
       .why = why,
       .try_ = old ? "the old file is intact: free space or choose another place, then repeat"
                   : "choose another place"});
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  expected_ = std::max(expected_, written_ + bytes.size());
  while (!bytes.empty()) {
    const ssize_t done = ::write(file_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(errno, "cannot be saved");
    written_ += static_cast<std::size_t>(done);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  if (temporary_.empty()) return;
  if (fsync(file_) != 0) fail(errno, "cannot be saved");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno, "cannot be saved");
  temporary_.clear();
  const int folder = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  const int code = close(file_) != 0 ? errno : 0;
  if (code != 0) fail(code, "cannot be saved");
  file_ = -1;
}

void write_file_atomically(const std::string& path, std::string_view content,
                           const std::string& what) {
  AtomicFile file(path, what);
  file.write(content);
  file.commit();
}

std::string read_whole_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const auto fail = [&](int code) {
    const bool missing = code == ENOENT || code == ENOTDIR;
    throw Error(missing ? ErrorKind::Missing : ErrorKind::InputOutput,
                {.what = missing ? "the file does not exist" : "the file cannot be read",
                 .at = path,
                 .why = std::strerror(code),
                 .try_ = missing ? did_you_mean_file(path) : std::string()});
  };
  if (file < 0) fail(errno);
  const std::shared_ptr<void> closer(nullptr, [file](void*) { close(file); });
  struct stat info = {};
  if (fstat(file, &info) != 0) fail(errno);
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorKind::BadContent,
                {.what = "not a regular file",
                 .at = path,
                 .why = S_ISDIR(info.st_mode) ? "it is a folder" : "it is a device or a pipe",
                 .try_ = {}});
  }
  std::string content(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t got = read(file, content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(errno);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  content.resize(filled);
  return content;
}

}  // namespace mpsearch
