// What the element-wise functors have in common, and the lists of all of them: a driver, a table or
// a test loops over UnaryOps and BinaryOps. Adding an op is its functor and its entry here.
#pragma once

#include <utility>

#include "kernels/math/binary.h"
#include "kernels/math/unary.h"

namespace mpsearch {

template <class... T>
struct TypeList {
  /// Calls f.template operator()<T>() for each.
  template <class F>
  static void for_each(F f) {
    (f.template operator()<T>(), ...);
  }
};

using UnaryOps =
    TypeList<Relu, LeakyRelu, Clip, HardSigmoid, HardSwish, Sigmoid, Tanh, Elu, Selu, Softplus,
             Gelu, GeluTanh, Swish, Mish, Exp, Log, Sqrt, Reciprocal, Neg, Abs, Erf, Sin, Cos, Tan,
             Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh, Softsign, Celu, ThresholdedRelu,
             Shrink, Square, Sign, Floor, Ceil, Round>;

using BinaryOps = TypeList<Add, Sub, Mul, Div, Min, Max, Pow, PRelu>;

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
