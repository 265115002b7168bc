// The families that index, compare and compute with integers; level.cpp joins them with those of
// families.h.
#pragma once

#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

KernelTable gather_kernels();  // Gather, Scatter and their kin, gradients
KernelTable logic_kernels();   // comparisons, logic, integer arithmetic, Where, CastTo

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
