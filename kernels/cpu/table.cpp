#include "kernels/cpu/table.h"

#include <tbb/version.h>

#include "kernels/cpu/level.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/products.h"
#include "kernels/error.h"

namespace mpsearch::cpu {

const Level& best_of(std::span<const CompiledLevel> levels) {
  for (const CompiledLevel& level : levels) {
    if (level.supported()) return level.level();
  }
  throw Error(ErrorKind::Unavailable,
              {.what = "this processor is too old for mpsearch",
               .at = {},
               .why = "its kernels need AVX2, FMA and F16C (x86-64-v3), which the processor lacks",
               .try_ = "run on an x86-64 processor of 2015 or later"});
}

const Level& best_level() {
  static const Level& level = best_of(compiled_levels());
  return level;
}

KernelTable kernel_table() {
  static const std::vector<KernelEntry> table = [] {
    std::vector<KernelEntry> entries;
    for (const KernelTable part : {convolution_kernels(), matmul_kernels(), best_level().kernels}) {
      entries.insert(entries.end(), part.begin(), part.end());
    }
    return entries;
  }();
  return table;
}

std::string_view level_name() { return best_level().name; }

std::string library_versions() {
  return "oneDNN " + onednn::version() + ", oneTBB " + TBB_runtime_version();
}

}  // namespace mpsearch::cpu
