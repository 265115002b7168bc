// Functions of two tensors under numpy's broadcasting, and its inverse, the sum.
#include <cmath>

#include "tests/support/index.h"
#include "tests/support/reference.h"
#include "tests/support/reference_binary.h"

namespace mpsearch::reference {
namespace {

/// F(dy, a, b), of dy's shape.
template <auto F>
std::vector<Numbers> ternary(const Call& call) {
  Numbers y;
  for_each_index(call.shape(0), [&](const Shape& index) {
    y.push_back(F(call.inputs[0][position(call.shape(0), index)],
                  call.inputs[1][broadcast_position(call.shape(1), index)],
                  call.inputs[2][broadcast_position(call.shape(2), index)]));
  });
  return {y};
}

std::vector<Numbers> sum_to(const Call& call) {
  const Shape shape = call.call.attributes.integers("shape");
  Numbers y(count_of(shape), 0);
  for_each_index(call.shape(0), [&](const Shape& index) {
    y[broadcast_position(shape, index)] +=
        call.number("scale", 1) * call.inputs[0][position(call.shape(0), index)];
  });
  return {y};
}

std::vector<Numbers> broadcast_to(const Call& call) {
  Numbers y;
  for_each_index(call.call.attributes.integers("shape"), [&](const Shape& index) {
    y.push_back(call.number("scale", 1) * call.inputs[0][broadcast_position(call.shape(0), index)]);
  });
  return {y};
}

/// 1 where a is the chosen one, a half where both are.
double share(double chosen, double other) { return chosen > other ? 1 : chosen == other ? 0.5 : 0; }

/// d a^b / db.
double exponent_slope(double a, double b) {
  return a == 0 && b >= 0 ? 0 : std::pow(a, b) * std::log(a);
}

}  // namespace

std::vector<Definition> broadcast_definitions() {
  return {
      {"Min", binary<[](double a, double b) { return std::fmin(a, b); }>},
      {"MinGradA", ternary<[](double dy, double a, double b) { return dy * share(-a, -b); }>},
      {"MinGradB", ternary<[](double dy, double a, double b) { return dy * share(-b, -a); }>},
      {"Max", binary<[](double a, double b) { return std::fmax(a, b); }>},
      {"MaxGradA", ternary<[](double dy, double a, double b) { return dy * share(a, b); }>},
      {"MaxGradB", ternary<[](double dy, double a, double b) { return dy * share(b, a); }>},
      {"Pow", binary<[](double a, double b) { return std::pow(a, b); }>},
      {"PowGradA", ternary<[](double dy, double a, double b) {
         return b == 0 ? 0 : dy * b * std::pow(a, b - 1);
       }>},
      {"PowGradB",
       ternary<[](double dy, double a, double b) { return dy * exponent_slope(a, b); }>},
      {"PRelu", binary<[](double a, double b) { return a < 0 ? a * b : a; }>},
      {"PReluGradA", ternary<[](double dy, double a, double b) { return a < 0 ? dy * b : dy; }>},
      {"PReluGradB", ternary<[](double dy, double a, double) { return a < 0 ? dy * a : 0; }>},
      {"Add", binary<[](double a, double b) { return a + b; }>},
      {"Sub", binary<[](double a, double b) { return a - b; }>},
      {"Mul", binary<[](double a, double b) { return a * b; }>},
      {"Div", binary<[](double a, double b) { return a / b; }>},
      {"DivGradB", ternary<[](double dy, double a, double b) { return -dy * a / (b * b); }>},
      {"SumTo", sum_to},
      {"BroadcastTo", broadcast_to},
  };
}

}  // namespace mpsearch::reference
