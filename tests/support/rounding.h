// Rounding of an FP64 value to a storage format. Used by the references and by tests of low tiers.
#pragma once

#include "kernels/number/dtype.h"

namespace mpsearch::reference {

/// The value of `dtype` nearest to x, ties to even; FP8 saturates. x itself for F32 and wider.
double rounded(double x, DType dtype);

}  // namespace mpsearch::reference
