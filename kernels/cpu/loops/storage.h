// From a DType to its storage type: the switch that turns a run-time dtype into a template
// argument. Used by every driver in this folder.
#pragma once

#include "kernels/number/convert.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// The dtypes that with_storage knows: F32, BF16, F16 and the two FP8.
constexpr bool has_storage(DType dtype) { return is_float(dtype) && dtype != DType::F64; }

/// Returns f(T{}) for the storage type T of `dtype`, or a value-initialised result where there is
/// none.
template <class F>
auto with_storage(DType dtype, const F& f) -> decltype(f(float{})) {
  switch (dtype) {
    case DType::F32:
      return f(float{});
    case DType::BF16:
      return f(BF16{});
    case DType::F16:
      return f(F16{});
    case DType::F8E4M3:
      return f(F8E4M3{});
    case DType::F8E5M2:
      return f(F8E5M2{});
    default:
      return {};
  }
}

/// Returns f(T{}) for the storage type T of a carrier: BF16, F16, else float.
template <class F>
auto with_carrier(DType dtype, const F& f) -> decltype(f(float{})) {
  switch (dtype) {
    case DType::BF16:
      return f(BF16{});
    case DType::F16:
      return f(F16{});
    default:
      return f(float{});
  }
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
