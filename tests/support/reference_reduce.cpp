// Reductions over any dimensions, their gradients written out by hand.
#include <cmath>
#include <limits>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

Shape kept_of(const Call& call, const Shape& x) {
  Shape kept = x;
  for (const std::int64_t axis : call.call.attributes.integers("axes")) {
    kept[static_cast<std::size_t>(axis)] = 1;
  }
  return kept;
}

/// Calls f(element of x, element of the result, place among the reduced elements).
template <class F>
void for_each_pair(const Call& call, const Shape& x, F f) {
  const Shape kept = kept_of(call, x);
  for_each_index(x, [&](const Shape& index) {
    std::int64_t place = 0;
    for (const std::int64_t axis : call.call.attributes.integers("axes")) {
      const auto d = static_cast<std::size_t>(axis);
      place = place * x[d] + index[d];
    }
    f(position(x, index), broadcast_position(kept, index), place);
  });
}

/// Finish(fold of Step from `start`) for every result.
template <auto Step, auto Finish>
std::vector<Numbers> fold(const Call& call, double start) {
  Numbers y(count_of(kept_of(call, call.shape(0))), start);
  for_each_pair(call, call.shape(0), [&](std::size_t from, std::size_t to, std::int64_t) {
    y[to] = Step(y[to], call.inputs[0][from]);
  });
  const double count = static_cast<double>(call.inputs[0].size()) / static_cast<double>(y.size());
  for (double& value : y) value = Finish(value, count);
  return {y};
}

constexpr auto kAdd = [](double sum, double x) { return sum + x; };
constexpr auto kAddSquare = [](double sum, double x) { return sum + x * x; };
constexpr auto kAddExp = [](double sum, double x) { return sum + std::exp(x); };
constexpr auto kTimes = [](double product, double x) { return product * x; };
constexpr auto kItself = [](double value, double) { return value; };
constexpr auto kMean = [](double value, double count) { return value / count; };
constexpr auto kRoot = [](double value, double) { return std::sqrt(value); };
constexpr auto kLog = [](double value, double) { return std::log(value); };

template <bool Most>
std::vector<Numbers> extreme(const Call& call) {
  const std::size_t count = count_of(kept_of(call, call.shape(0)));
  Numbers y(count, (Most ? -1 : 1) * std::numeric_limits<double>::infinity()), index(count, 0);
  for_each_pair(call, call.shape(0), [&](std::size_t from, std::size_t to, std::int64_t place) {
    const double x = call.inputs[0][from];
    if (Most ? x <= y[to] : x >= y[to]) return;
    y[to] = x;
    index[to] = static_cast<double>(place);
  });
  return {y, index};
}

std::vector<Numbers> extreme_grad(const Call& call) {
  const Shape x = call.call.attributes.integers("input_shape");
  Numbers dx(count_of(x));
  for_each_pair(call, x, [&](std::size_t to, std::size_t from, std::int64_t place) {
    dx[to] = static_cast<double>(place) == call.inputs[1][from] ? call.inputs[0][from] : 0;
  });
  return {dx};
}

/// dx = dy Slope(x, y).
template <auto Slope>
std::vector<Numbers> chain(const Call& call) {
  Numbers dx(call.inputs[1].size());
  for_each_pair(call, call.shape(1), [&](std::size_t to, std::size_t from, std::int64_t) {
    dx[to] = call.inputs[0][from] * Slope(call.inputs[1][to], call.inputs[2][from]);
  });
  return {dx};
}

constexpr auto kNormSlope = [](double x, double y) { return y == 0 ? 0 : x / y; };
constexpr auto kLogSumExpSlope = [](double x, double y) { return std::exp(x - y); };

/// dy times all other elements of the result.
std::vector<Numbers> product_grad(const Call& call) {
  Numbers dx(call.inputs[1].size(), 1);
  for_each_pair(call, call.shape(1), [&](std::size_t to, std::size_t result, std::int64_t) {
    for_each_pair(call, call.shape(1), [&](std::size_t other, std::size_t same, std::int64_t) {
      if (same == result && other != to) dx[to] *= call.inputs[1][other];
    });
    dx[to] *= call.inputs[0][result];
  });
  return {dx};
}

}  // namespace

std::vector<Definition> reduce_definitions() {
  return {{"ReduceSum", [](const Call& call) { return fold<kAdd, kItself>(call, 0); }},
          {"ReduceMean", [](const Call& call) { return fold<kAdd, kMean>(call, 0); }},
          {"ReduceL2", [](const Call& call) { return fold<kAddSquare, kRoot>(call, 0); }},
          {"ReduceLogSumExp", [](const Call& call) { return fold<kAddExp, kLog>(call, 0); }},
          {"ReduceProd", [](const Call& call) { return fold<kTimes, kItself>(call, 1); }},
          {"ReduceMax", extreme<true>},
          {"ReduceMin", extreme<false>},
          {"ReduceMaxGrad", extreme_grad},
          {"ReduceL2Grad", chain<kNormSlope>},
          {"ReduceLogSumExpGrad", chain<kLogSumExpSlope>},
          {"ReduceProdGrad", product_grad}};
}

}  // namespace mpsearch::reference
