// What the element-wise functors of unary.h and binary.h have in common: each header ends with the
// list of its functors, over which drivers, tables and tests loop.
#pragma once

#include <utility>

#include "kernels/math/transcendental.h"

namespace mpsearch {

template <class... T>
struct TypeList {
  /// Calls f.template operator()<T>() for each.
  template <class F>
  static void for_each(F f) {
    (f.template operator()<T>(), ...);
  }
};

/// The functor with its parameters, F::kParameters floats in the order of its members.
template <class F>
MPSEARCH_HD F make(const float* parameters) {
  if constexpr (F::kParameters == 0) {
    return F{};
  } else if constexpr (F::kParameters == 1) {
    return F{parameters[0]};
  } else {
    static_assert(F::kParameters == 2);
    return F{parameters[0], parameters[1]};
  }
}

}  // namespace mpsearch
