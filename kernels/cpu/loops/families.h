// One function a family of ops: its entries in the level's table. level.cpp joins them.
#pragma once

#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

KernelTable cast_kernels();       // Cast
KernelTable quantize_kernels();   // Quantize
KernelTable unary_kernels();      // Relu, ReluGrad, ...
KernelTable binary_kernels();     // Add, ..., Sum2, DivGradB, BroadcastTo
KernelTable dropout_kernels();    // Dropout, DropoutGrad
KernelTable reduce_kernels();     // ReduceSum, ReduceMean, SumTo, BiasGrad
KernelTable transpose_kernels();  // Transpose

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
