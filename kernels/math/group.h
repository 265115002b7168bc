// What a row algorithm is written in: values, outputs and folds. The algorithms are templates on a
// Group (lanes.h on a CPU) that owns every load, every store and the order of summation.
#pragma once

#include <cstdint>

#include "kernels/number/convert.h"

namespace mpsearch {

/// What a lambda returns for several outputs, or the state of a column.
template <int n>
struct Values {
  float v[n];
};

/// Two results of one reduction.
template <class A, class B>
struct Two {
  A first;
  B second;
};
template <class A, class B>
Two(A, B) -> Two<A, B>;

/// The outputs of a map, Out{y, mask}: pointers to storage types, or Bits.
template <class... T>
struct Out;
template <>
struct Out<> {};
template <class Head, class... Tail>
struct Out<Head, Tail...> {
  Head head;
  Out<Tail...> tail{};
};
template <class... T>
Out(T...) -> Out<T...>;

/// A mask of one bit an element, lowest bit first, starting at a byte. As input it reads 0 or 1; as
/// output it stores value != 0.
struct Bits {
  std::uint8_t* data;
};
struct ConstBits {
  const std::uint8_t* data;
};

// Folds. `combine` is called in the group's order; `Value` is what it accumulates in.
struct Sum {
  using Value = float;
  MPSEARCH_HD static constexpr float identity() { return 0.0F; }
  MPSEARCH_HD static constexpr float combine(float a, float b) { return a + b; }
};

struct SumF64 {
  using Value = double;
  MPSEARCH_HD static constexpr double identity() { return 0.0; }
  MPSEARCH_HD static constexpr double combine(double a, double b) { return a + b; }
};

/// Ignores NaN; -Inf of nothing.
struct Greatest {
  using Value = float;
  MPSEARCH_HD static constexpr float identity() { return -__builtin_inff(); }
  MPSEARCH_HD static constexpr float combine(float a, float b) { return b > a ? b : a; }
};

}  // namespace mpsearch
