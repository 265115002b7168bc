#include "kernels/cpu/onednn.h"

#include <dnnl.hpp>

namespace mpsearch::cpu::onednn {

std::string version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
         std::to_string(version->patch);
}

}  // namespace mpsearch::cpu::onednn
