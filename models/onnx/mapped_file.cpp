#include "models/onnx/mapped_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "kernels/error.h"
#include "kernels/nearest.h"

namespace mpsearch {
namespace {

[[noreturn]] void refuse(const std::string& location, const std::string& tensor,
                         const std::string& why) {
  throw Error(ErrorKind::BadContent,
              {.what = "external data refused",
               .at = "tensor '" + tensor + "', path '" + location + "'",
               .why = why,
               .try_ = "keep the data file in the model's folder, or export into one file"});
}

/// -1 with errno ENOSYS where the kernel (before 5.6, or a sandbox) has no openat2.
int open_beneath(int folder, const std::string& location) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(syscall(SYS_openat2, folder, location.c_str(), &how, sizeof how));
}

/// The same by hand: one component after the other, none of them a symlink.
int open_by_components(int folder, const std::string& location) {
  int current = dup(folder);
  const std::filesystem::path path(location);
  for (auto part = path.begin(); part != path.end() && current >= 0; ++part) {
    const bool last = std::next(part) == path.end();
    const int next = openat(current, part->c_str(),
                            O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? 0 : O_DIRECTORY));
    const int error = errno;
    close(current);
    errno = error;
    current = next;
  }
  return current;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int code = errno;
    const bool missing = code == ENOENT || code == ENOTDIR;
    throw Error(missing ? ErrorKind::Missing : ErrorKind::InputOutput,
                {.what = "cannot open '" + path.string() + "'",
                 .at = path.string(),
                 .why = std::strerror(code),
                 .try_ = missing ? did_you_mean_file(path.string()) : std::string()});
  }
  map(descriptor, path.string());
}

MappedFile::MappedFile(int descriptor, const std::string& name) { map(descriptor, name); }

void MappedFile::map(int descriptor, const std::string& name) {
  struct stat status {};
  const bool known = fstat(descriptor, &status) == 0;
  const bool regular = known && S_ISREG(status.st_mode);
  if (regular && status.st_size > 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    data_ = mapped == MAP_FAILED ? nullptr : static_cast<const std::byte*>(mapped);
  }
  const int error = errno;
  close(descriptor);
  if (regular && (size_ == 0 || data_ != nullptr)) return;
  if (known && !regular) {
    throw Error(ErrorKind::BadContent,
                {.what = "'" + name + "' is not a file",
                 .at = name,
                 .why = S_ISDIR(status.st_mode) ? "it is a folder" : "it is a device or a pipe",
                 .try_ = {}});
  }
  throw Error(
      ErrorKind::InputOutput,
      {.what = "cannot read '" + name + "'", .at = name, .why = std::strerror(error), .try_ = {}});
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

int open_contained(const std::filesystem::path& folder, const std::string& location,
                   const std::string& tensor) {
  const std::filesystem::path path(location);
  if (location.empty()) refuse(location, tensor, "the path is empty");
  if (location.find('\0') != std::string::npos)
    refuse(location, tensor, "the path holds a zero byte");
  if (path.is_absolute()) refuse(location, tensor, "the path is absolute");
  for (const std::filesystem::path& part : path) {
    if (part == "..") refuse(location, tensor, "the path leads out of the model's folder");
  }
  const std::string base = folder.empty() ? "." : folder.string();
  const int directory = open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int descriptor = directory < 0 ? -1 : open_beneath(directory, location);
  if (descriptor < 0 && directory >= 0 && (errno == ENOSYS || errno == EPERM)) {
    descriptor = open_by_components(directory, location);
  }
  const int error = errno;
  if (directory >= 0) close(directory);
  if (descriptor >= 0) return descriptor;
  if (error == EXDEV || error == ELOOP) {
    refuse(location, tensor, "a symbolic link leads out of the model's folder");
  }
  throw Error(error == ENOENT ? ErrorKind::Missing : ErrorKind::BadContent,
              {.what = "cannot open external data '" + location + "'",
               .at = "tensor '" + tensor + "', folder '" + base + "'",
               .why = std::strerror(error),
               .try_ = "put the data file beside the model, under the name that it had"});
}

}  // namespace mpsearch
