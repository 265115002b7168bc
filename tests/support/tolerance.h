// The one rule by which a kernel's result is held against its FP64 reference (numerics.md,
// section 9). Used by tests that run kernels.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/number/dtype.h"
#include "tests/support/rounding.h"

namespace mpsearch::reference {

/// Largest relative error of one rounding to `dtype`.
constexpr double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::BF16:
      return 0x1p-8;
    case DType::F16:
      return 0x1p-11;
    case DType::F8E4M3:
      return 0x1p-4;
    case DType::F8E5M2:
      return 0x1p-3;
    default:
      return 0x1p-24;
  }
}

/// Largest absolute error of one rounding to `dtype` near zero.
constexpr double smallest_step(DType dtype) {
  switch (dtype) {
    case DType::F16:
      return 0x1p-25;
    case DType::F8E4M3:
      return 0x1p-10;
    case DType::F8E5M2:
      return 0x1p-17;
    default:
      return 0x1p-127;
  }
}

/// How far a kernel may be from `expected`: three times the error of an ideal implementation (exact
/// arithmetic, rounded once), and what FP32 arithmetic on `terms` terms whose magnitudes sum to
/// `magnitude` may add (its errors grow as the square root, Higham and Mary 2019), which may move a
/// value to the next number of `dtype`.
inline double tolerance(double expected, DType dtype, double magnitude, std::int64_t terms) {
  const double ideal = std::fabs(rounded(expected, dtype) - expected);
  const double sums =
      unit_roundoff(DType::F32) * (4 + std::sqrt(static_cast<double>(terms))) * magnitude;
  return 3 * ideal + unit_roundoff(dtype) * std::fabs(expected) + smallest_step(dtype) + sums;
}

}  // namespace mpsearch::reference
