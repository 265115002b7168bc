// The matrix products: Conv with its two gradients, and MatMul, on oneDNN in every tier. Used by
// table.cpp.
#pragma once

#include "kernels/kernel.h"

namespace mpsearch::cpu {

/// Algorithms: "onednn.native" runs the primitive on the operands as they are, "onednn.decoded" on
/// F32 decoded from them slice by slice, "onednn.decoded_bf16" on BF16 decoded (exactly, for scales
/// that are powers of two) from FP8. ".nhwc" after a name: the images are transposed on the way.
KernelTable convolution_kernels();  // Conv, ConvGradInput, ConvGradWeight, ConvTranspose
KernelTable matmul_kernels();       // MatMul

}  // namespace mpsearch::cpu
