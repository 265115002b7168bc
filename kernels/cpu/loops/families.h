// One function a family of ops: its entries in the level's table. level.cpp joins them.
#pragma once

#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

KernelTable cast_kernels();      // Cast
KernelTable quantize_kernels();  // Quantize

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
