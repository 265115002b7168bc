// Comparisons, logic and integer arithmetic of two values: none has a gradient. A driver loops over
// the lists; integers and truth values are computed in 64 bits.
#pragma once

#include <cstdint>

#include "kernels/math/elementwise.h"

namespace mpsearch {

struct Equal {
  static constexpr const char* kName = "Equal";
  template <class T>
  static MPSEARCH_HD bool holds(T a, T b) {
    return a == b;
  }
};
struct Less {
  static constexpr const char* kName = "Less";
  template <class T>
  static MPSEARCH_HD bool holds(T a, T b) {
    return a < b;
  }
};
struct LessOrEqual {
  static constexpr const char* kName = "LessOrEqual";
  template <class T>
  static MPSEARCH_HD bool holds(T a, T b) {
    return a <= b;
  }
};
struct Greater {
  static constexpr const char* kName = "Greater";
  template <class T>
  static MPSEARCH_HD bool holds(T a, T b) {
    return a > b;
  }
};
struct GreaterOrEqual {
  static constexpr const char* kName = "GreaterOrEqual";
  template <class T>
  static MPSEARCH_HD bool holds(T a, T b) {
    return a >= b;
  }
};
using Comparisons = TypeList<Equal, Less, LessOrEqual, Greater, GreaterOrEqual>;

struct And {
  static constexpr const char* kName = "And";
  static MPSEARCH_HD bool holds(std::int64_t a, std::int64_t b) { return a != 0 && b != 0; }
};
struct Or {
  static constexpr const char* kName = "Or";
  static MPSEARCH_HD bool holds(std::int64_t a, std::int64_t b) { return a != 0 || b != 0; }
};
struct Xor {
  static constexpr const char* kName = "Xor";
  static MPSEARCH_HD bool holds(std::int64_t a, std::int64_t b) { return (a != 0) != (b != 0); }
};
using LogicOps = TypeList<And, Or, Xor>;

/// Overflow wraps; a division by zero gives 0.
struct IntegerAdd {
  static constexpr const char* kName = "IntegerAdd";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
};
struct IntegerSub {
  static constexpr const char* kName = "IntegerSub";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
  }
};
struct IntegerMul {
  static constexpr const char* kName = "IntegerMul";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  }
};
/// Towards zero.
struct IntegerDiv {
  static constexpr const char* kName = "IntegerDiv";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) {
    if (b == 0) return 0;
    return b == -1 ? IntegerSub::apply(0, a) : a / b;
  }
};
/// With the sign of the divisor, as in Python.
struct IntegerMod {
  static constexpr const char* kName = "IntegerMod";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) {
    if (b == 0 || b == -1) return 0;
    const std::int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
};
/// With the sign of the dividend, as in C.
struct IntegerRemainder {
  static constexpr const char* kName = "IntegerRemainder";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) {
    return b == 0 || b == -1 ? 0 : a % b;
  }
};
struct IntegerMin {
  static constexpr const char* kName = "IntegerMin";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
};
struct IntegerMax {
  static constexpr const char* kName = "IntegerMax";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
};
struct BitwiseAnd {
  static constexpr const char* kName = "BitwiseAnd";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) { return a & b; }
};
struct BitwiseOr {
  static constexpr const char* kName = "BitwiseOr";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) { return a | b; }
};
struct BitwiseXor {
  static constexpr const char* kName = "BitwiseXor";
  static MPSEARCH_HD std::int64_t apply(std::int64_t a, std::int64_t b) { return a ^ b; }
};
using IntegerOps =
    TypeList<IntegerAdd, IntegerSub, IntegerMul, IntegerDiv, IntegerMod, IntegerRemainder,
             IntegerMin, IntegerMax, BitwiseAnd, BitwiseOr, BitwiseXor>;

}  // namespace mpsearch
