// One function a family of ops: its entries in the level's table. level.cpp joins them.
#pragma once

#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

KernelTable cast_kernels();          // Cast
KernelTable quantize_kernels();      // Quantize
KernelTable unary_kernels();         // Relu, ReluGrad, ...
KernelTable binary_kernels();        // Add, ..., Sum2, DivGradB, BroadcastTo
KernelTable dropout_kernels();       // Dropout, DropoutGrad
KernelTable reduce_kernels();        // ReduceSum, ReduceMean, ReduceL2, SumTo, BiasGrad
KernelTable fold_kernels();          // ReduceMax, ReduceMin, ReduceProd, ReduceLogSumExp, gradients
KernelTable movement_kernels();      // Concat, Slice, Pad, gradients
KernelTable gather_kernels();        // Gather and its kin
KernelTable scatter_kernels();       // scatters, gradients of gathers
KernelTable scatter_grad_kernels();  // gradients of scatters that multiply or compare
KernelTable logic_kernels();         // comparisons, logic, integer arithmetic, Where, CastTo
KernelTable rank_kernels();          // TopK
KernelTable transpose_kernels();     // Transpose
KernelTable batch_norm_kernels();    // BatchNormalization, BatchNormInference and their gradients
KernelTable row_norm_kernels();      // LayerNormalization, RMSNormalization and their gradients
KernelTable group_norm_kernels();    // GroupNormalization and its gradient
KernelTable resize_kernels();        // Resize and its gradient
KernelTable scan_kernels();          // CumSum, Trilu
KernelTable loss_kernels();          // losses and their gradients
KernelTable pool_kernels();          // MaxPool, AveragePool, GlobalAveragePool, gradients
KernelTable pool_places_kernels();   // MaxPoolPlaces
KernelTable softmax_kernels();       // Softmax, LogSoftmax, gradients
KernelTable update_kernels();        // Accumulate, StepControl, optimizers, RunningStatistics, ...

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
