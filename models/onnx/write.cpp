#include "models/onnx/write.h"

#include <fcntl.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "kernels/error.h"

namespace mpsearch {
namespace {

[[noreturn]] void fail(ErrorKind kind, const std::filesystem::path& path, const char* what) {
  throw Error(kind, {.what = std::string(what) + " '" + path.string() + "'",
                     .at = path.string(),
                     .why = std::strerror(errno),
                     .try_ = {}});
}

/// Makes the rename survive a power cut.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

}  // namespace

void write_atomically(const std::filesystem::path& path, const std::function<bool(int)>& write) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::string temporary = path.string() + ".XXXXXX";
  const int descriptor = mkostemp(temporary.data(), O_CLOEXEC);
  if (descriptor < 0) fail(ErrorKind::CannotCreate, path, "cannot create");
  fchmod(descriptor, 0644);
  const bool written = write(descriptor) && fsync(descriptor) == 0;
  const int error = errno;
  const bool closed = close(descriptor) == 0;
  if (!written || !closed || rename(temporary.c_str(), path.c_str()) != 0) {
    if (!written) errno = error;
    const int reason = errno;
    unlink(temporary.c_str());
    errno = reason;
    fail(ErrorKind::InputOutput, path, "could not write");
  }
  sync_folder(folder);
}

void write_model(const onnx::ModelProto& model, const std::filesystem::path& path) {
  require(model.ByteSizeLong() <= std::numeric_limits<int>::max(), ErrorKind::BadContent,
          "the model does not fit into one ONNX file: more than 2 GiB");
  write_atomically(path, [&](int descriptor) {
    google::protobuf::io::FileOutputStream stream(descriptor);
    if (model.SerializeToZeroCopyStream(&stream) && stream.Flush()) return true;
    errno = stream.GetErrno();
    return false;
  });
}

}  // namespace mpsearch
