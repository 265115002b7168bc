// The CPU's kernels, all in one table, and what they are made of. Used by runtime/cpu.
#pragma once

#include <string>
#include <string_view>

#include "kernels/kernel.h"

namespace mpsearch::cpu {

/// Every op's entry, the loops of the best instruction-set level among them. Candidates depend on
/// the OpenMP thread count of the calling thread. Throws Unavailable on a CPU below the floor.
KernelTable kernel_table();

/// "x86-64-v4": the level that kernel_table() runs on.
std::string_view level_name();

/// "oneDNN 2.6.3, oneTBB 2021.8": versions in use, not those compiled against.
std::string library_versions();

}  // namespace mpsearch::cpu
