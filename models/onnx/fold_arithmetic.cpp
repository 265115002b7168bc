#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/error.h"
#include "models/onnx/attributes.h"
#include "models/onnx/fold_rows.h"
#include "models/onnx/shape_rules.h"
#include "models/op.h"

namespace mpsearch {
namespace {

using onnx::TensorProto;
using Int = std::int64_t;

Int add(Int a, Int b) {
  return static_cast<Int>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
Int subtract(Int a, Int b) {
  return static_cast<Int>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
Int multiply(Int a, Int b) {
  return static_cast<Int>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

Int divide(Int a, Int b) {
  require(b != 0, ErrorKind::BadContent, "an integer is divided by zero");
  return b == -1 ? subtract(0, a) : a / b;
}

/// Sign of the divisor, as in Python.
Int modulo(Int a, Int b) {
  require(b != 0, ErrorKind::BadContent, "an integer is divided by zero");
  if (b == -1) return 0;
  const Int rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

struct Add {
  static Int apply(Int a, Int b) { return add(a, b); }
  static double apply(double a, double b) { return a + b; }
};
struct Subtract {
  static Int apply(Int a, Int b) { return subtract(a, b); }
  static double apply(double a, double b) { return a - b; }
};
struct Multiply {
  static Int apply(Int a, Int b) { return multiply(a, b); }
  static double apply(double a, double b) { return a * b; }
};
struct Divide {
  static Int apply(Int a, Int b) { return divide(a, b); }
  static double apply(double a, double b) { return a / b; }
};
struct Modulo {
  static Int apply(Int a, Int b) { return modulo(a, b); }
  static double apply(double a, double b) {
    const double rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
};
struct Remainder {
  static Int apply(Int a, Int b) { return subtract(a, multiply(divide(a, b), b)); }
  static double apply(double a, double b) { return std::fmod(a, b); }
};
struct Minimum {
  static Int apply(Int a, Int b) { return std::min(a, b); }
  static double apply(double a, double b) { return std::isnan(a) || a < b ? a : b; }
};
struct Maximum {
  static Int apply(Int a, Int b) { return std::max(a, b); }
  static double apply(double a, double b) { return std::isnan(a) || a > b ? a : b; }
};
struct Product {
  static constexpr double kStart = 1;
  static Int apply(Int a, Int b) { return multiply(a, b); }
  static double apply(double a, double b) { return a * b; }
};

/// Calls write(i, index in a, index in b) for the elements of the broadcast result.
template <class Write>
HostTensor over_pairs(int type, const HostTensor& a, const HostTensor& b, const Write& write) {
  HostTensor y = host_tensor(type, broadcast(a.shape, b.shape));
  const StridedIndex in_a(y.shape, broadcast_strides(a.shape, y.shape));
  const StridedIndex in_b(y.shape, broadcast_strides(b.shape, y.shape));
  for (std::size_t i = 0; i < y.size(); ++i) {
    write(y, i, static_cast<std::size_t>(in_a(i)), static_cast<std::size_t>(in_b(i)));
  }
  return y;
}

template <class Op>
HostTensor combined(const HostTensor& a, const HostTensor& b) {
  require(a.real() == b.real(), ErrorKind::BadContent, "integers and floats are mixed");
  return over_pairs(a.type, a, b,
                    [&](HostTensor& y, std::size_t i, std::size_t ia, std::size_t ib) {
                      if (a.real()) {
                        y.reals[i] = rounded(a.type, Op::apply(a.reals[ia], b.reals[ib]));
                      } else {
                        y.integers[i] = wrapped(a.type, Op::apply(a.integers[ia], b.integers[ib]));
                      }
                    });
}

template <class Op>
HostTensor binary(const FoldCall& call) {
  return combined<Op>(call.input(0), call.input(1));
}

HostTensor mod(const FoldCall& call) {
  return integer_of(call.node, "fmod", 0) != 0 ? binary<Remainder>(call) : binary<Modulo>(call);
}

template <class Op>
HostTensor variadic(const FoldCall& call) {
  HostTensor y = call.input(0);
  for (std::size_t i = 1; i < call.inputs.size(); ++i) y = combined<Op>(y, call.input(i));
  return y;
}

/// The exponent may have a type of its own.
HostTensor power(const FoldCall& call) {
  const HostTensor& base = call.input(0);
  const HostTensor& exponent = call.input(1);
  return over_pairs(
      base.type, base, exponent, [&](HostTensor& y, std::size_t i, std::size_t ia, std::size_t ib) {
        const double value = std::pow(base.number(ia), exponent.number(ib));
        if (y.real()) {
          y.reals[i] = rounded(base.type, value);
          return;
        }
        require(std::abs(value) < 9e18, ErrorKind::BadContent, "a power of integers overflows");
        y.integers[i] = wrapped(base.type, static_cast<Int>(value));
      });
}

template <bool (*kHolds)(double, double)>
HostTensor compared(const FoldCall& call) {
  const HostTensor& a = call.input(0);
  const HostTensor& b = call.input(1);
  return over_pairs(TensorProto::BOOL, a, b,
                    [&](HostTensor& y, std::size_t i, std::size_t ia, std::size_t ib) {
                      y.integers[i] = kHolds(a.number(ia), b.number(ib)) ? 1 : 0;
                    });
}

bool equal(double a, double b) { return a == b; }
bool less(double a, double b) { return a < b; }
bool less_or_equal(double a, double b) { return a <= b; }
bool greater(double a, double b) { return a > b; }
bool greater_or_equal(double a, double b) { return a >= b; }
bool both(double a, double b) { return a != 0 && b != 0; }
bool either(double a, double b) { return a != 0 || b != 0; }
bool one_of_two(double a, double b) { return (a != 0) != (b != 0); }

/// By the registry's function in FP64.
template <Int (*kInteger)(Int)>
HostTensor unary(const FoldCall& call) {
  HostTensor y = call.input(0);
  const Exact& exact = find_op(call.node.op_type())->exact;
  for (double& value : y.reals) value = rounded(y.type, exact.value(value, {}));
  for (Int& value : y.integers) value = wrapped(y.type, kInteger(value));
  return y;
}

HostTensor inverted(const FoldCall& call) {
  HostTensor y = call.input(0);
  require(!y.real(), ErrorKind::BadContent, "this operator takes truth values");
  for (Int& value : y.integers) value = value == 0 ? 1 : 0;
  return y;
}

Int negated(Int x) { return subtract(0, x); }
Int sign(Int x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
Int absolute(Int x) { return x < 0 ? subtract(0, x) : x; }
Int same(Int x) { return x; }
Int refused(Int) { throw Error(ErrorKind::BadContent, "this operator takes floats, got integers"); }

template <class Op>
HostTensor reduce(const FoldCall& call, double start) {
  const HostTensor& x = call.input(0);
  const int since = call.node.op_type() == "ReduceSum" ? 13 : 18;
  Shape axes = axes_from_front(call.integers("axes", since, 1), x.shape.size());
  if (axes.empty() && integer_of(call.node, "noop_with_empty_axes", 0) != 0) return x;
  for (std::size_t i = 0; axes.size() < x.shape.size() && i < x.shape.size(); ++i) {
    if (call.integers("axes", since, 1).empty()) axes.push_back(static_cast<Int>(i));
  }
  HostTensor y = host_tensor(x.type, reduced(x.shape, axes, true));
  std::fill(y.reals.begin(), y.reals.end(), start);
  std::fill(y.integers.begin(), y.integers.end(), static_cast<Int>(start));
  const StridedIndex into(x.shape, broadcast_strides(y.shape, x.shape));
  std::vector<bool> seen(y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto to = static_cast<std::size_t>(into(i));
    if (x.real()) {
      y.reals[to] = seen[to] ? Op::apply(y.reals[to], x.reals[i]) : x.reals[i];
    } else {
      y.integers[to] = seen[to] ? Op::apply(y.integers[to], x.integers[i]) : x.integers[i];
    }
    seen[to] = true;
  }
  for (double& value : y.reals) value = rounded(y.type, value);
  y.shape = reduced(x.shape, axes, integer_of(call.node, "keepdims", 1) != 0);
  return y;
}

HostTensor reduce_sum(const FoldCall& call) { return reduce<Add>(call, 0); }
HostTensor reduce_product(const FoldCall& call) { return reduce<Product>(call, 1); }
HostTensor reduce_min(const FoldCall& call) { return reduce<Minimum>(call, 0); }
HostTensor reduce_max(const FoldCall& call) { return reduce<Maximum>(call, 0); }

HostTensor reduce_mean(const FoldCall& call) {
  HostTensor y = reduce<Add>(call, 0);
  require(y.real(), ErrorKind::BadContent, "a mean of integers is not supported");
  const double count = static_cast<double>(call.input(0).size()) /
                       static_cast<double>(std::max<std::size_t>(1, y.size()));
  for (double& value : y.reals) value = rounded(y.type, value / count);
  return y;
}

HostTensor cast_to(const FoldCall& call, int type) {
  const HostTensor& x = call.input(0);
  const bool saturate = integer_of(call.node, "saturate", 1) != 0;
  HostTensor y = host_tensor(type, x.shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (y.real()) {
      y.reals[i] = rounded(type, x.number(i), saturate);
    } else if (!x.real()) {
      y.integers[i] = wrapped(type, x.integers[i]);
    } else if (type == TensorProto::BOOL) {
      y.integers[i] = x.reals[i] != 0 ? 1 : 0;
    } else {
      const double value = std::isnan(x.reals[i]) ? 0 : std::clamp(x.reals[i], -9.2e18, 9.2e18);
      y.integers[i] = wrapped(type, static_cast<Int>(value));
    }
  }
  return y;
}

HostTensor cast(const FoldCall& call) {
  return cast_to(call, static_cast<int>(integer_of(call.node, "to", TensorProto::FLOAT)));
}

HostTensor cast_like(const FoldCall& call) { return cast_to(call, call.input(1).type); }

HostTensor where(const FoldCall& call) {
  const HostTensor& condition = call.input(0);
  const HostTensor& a = call.input(1);
  const HostTensor& b = call.input(2);
  require(a.real() == b.real() && !condition.real(), ErrorKind::BadContent, "types do not fit");
  const Shape shape = broadcast(condition.shape, broadcast(a.shape, b.shape));
  HostTensor y = host_tensor(a.type, shape);
  const StridedIndex in_condition(shape, broadcast_strides(condition.shape, shape));
  const StridedIndex in_a(shape, broadcast_strides(a.shape, shape));
  const StridedIndex in_b(shape, broadcast_strides(b.shape, shape));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const bool first = condition.integers[static_cast<std::size_t>(in_condition(i))] != 0;
    const HostTensor& from = first ? a : b;
    const auto at = static_cast<std::size_t>(first ? in_a(i) : in_b(i));
    if (y.real()) {
      y.reals[i] = from.reals[at];
    } else {
      y.integers[i] = from.integers[at];
    }
  }
  return y;
}

HostTensor range(const FoldCall& call) {
  for (std::size_t i = 0; i < 3; ++i) {
    require(call.input(i).size() == 1 && call.input(i).real() == call.input(0).real(),
            ErrorKind::BadContent, "Range takes three scalars of one type");
  }
  const double start = call.input(0).number(0);
  const double step = call.input(2).number(0);
  const double count = std::ceil((call.input(1).number(0) - start) / step);
  require(std::isfinite(count) && count < 1e9, ErrorKind::BadContent, "a Range has no end");
  HostTensor y = host_tensor(call.input(0).type, {std::max<Int>(0, static_cast<Int>(count))});
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (y.real()) {
      y.reals[i] = rounded(y.type, start + static_cast<double>(i) * step);
    } else {
      y.integers[i] =
          add(call.input(0).integers[0], multiply(static_cast<Int>(i), call.input(2).integers[0]));
    }
  }
  return y;
}

}  // namespace

std::vector<FoldRow> fold_arithmetic_rows() {
  return {
      {"Add", binary<Add>},
      {"Sub", binary<Subtract>},
      {"Mul", binary<Multiply>},
      {"Div", binary<Divide>},
      {"Mod", mod},
      {"Pow", power},
      {"Min", variadic<Minimum>},
      {"Max", variadic<Maximum>},
      {"Sum", variadic<Add>},
      {"Equal", compared<equal>},
      {"Less", compared<less>},
      {"LessOrEqual", compared<less_or_equal>},
      {"Greater", compared<greater>},
      {"GreaterOrEqual", compared<greater_or_equal>},
      {"And", compared<both>},
      {"Or", compared<either>},
      {"Xor", compared<one_of_two>},
      {"Not", inverted},
      {"Neg", unary<negated>},
      {"Abs", unary<absolute>},
      {"Sign", unary<sign>},
      {"Floor", unary<same>},
      {"Ceil", unary<same>},
      {"Round", unary<same>},
      {"Sqrt", unary<refused>},
      {"Reciprocal", unary<refused>},
      {"Exp", unary<refused>},
      {"Log", unary<refused>},
      {"Sin", unary<refused>},
      {"Cos", unary<refused>},
      {"Tan", unary<refused>},
      {"Atan", unary<refused>},
      {"Tanh", unary<refused>},
      {"Erf", unary<refused>},
      {"Sigmoid", unary<refused>},
      {"ReduceSum", reduce_sum},
      {"ReduceProd", reduce_product},
      {"ReduceMin", reduce_min},
      {"ReduceMax", reduce_max},
      {"ReduceMean", reduce_mean},
      {"Cast", cast},
      {"CastLike", cast_like},
      {"Where", where},
      {"Range", range},
  };
}

}  // namespace mpsearch
