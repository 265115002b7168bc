// The one place that names concrete backends.
#include "runtime/backend.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "kernels/error.h"
#include "runtime/cpu/cpu_backend.h"

namespace mpsearch {
namespace {

/// Looks for a file as the dynamic linker would, but does not load it.
std::string found(const std::string& what, const std::string& library) {
  std::vector<std::filesystem::path> folders{"/usr/local/cuda/lib64", "/usr/lib/x86_64-linux-gnu",
                                             "/usr/lib64", "/usr/lib/wsl/lib"};
  const char* extra = std::getenv("LD_LIBRARY_PATH");
  std::istringstream path(extra != nullptr ? extra : "");
  for (std::string folder; std::getline(path, folder, ':');) folders.emplace_back(folder);
  for (const std::filesystem::path& folder : folders) {
    std::error_code ignored;
    if (std::filesystem::exists(folder / library, ignored)) {
      return what + " found (" + (folder / library).string() + ")";
    }
  }
  return what + " not found (" + library + ")";
}

}  // namespace

std::unique_ptr<Backend> make_backend(const std::string& device, int threads) {
  if (device == "cpu") return make_cpu_backend(threads);
  if (device == "cuda" || device.starts_with("cuda:")) {
    throw Error(ErrorKind::Unavailable, {.what = "device " + device + " is not available",
                                         .at = {},
                                         .why = "this build has no CUDA kernels; " +
                                                found("NVIDIA driver", "libcuda.so.1") + ", " +
                                                found("cuBLASLt", "libcublasLt.so"),
                                         .try_ = "--device cpu"});
  }
  throw Error(ErrorKind::Unavailable, {.what = "there is no device " + device,
                                       .at = {},
                                       .why = "devices are cpu and cuda",
                                       .try_ = "--device cpu"});
}

}  // namespace mpsearch
