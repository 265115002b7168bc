// Comparisons, logic, integer arithmetic, selection, and conversions to and from integers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "tests/support/index.h"
#include "tests/support/reference.h"
#include "tests/support/reference_binary.h"

namespace mpsearch::reference {
namespace {

double floored_rest(double a, double b) { return b == 0 ? 0 : a - b * std::floor(a / b); }

template <auto F>
double on_integers(double a, double b) {
  return static_cast<double>(F(static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)));
}

std::vector<Numbers> where(const Call& call) {
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& index) {
    const std::size_t from = call.inputs[0][broadcast_position(call.shape(0), index)] != 0 ? 1 : 2;
    y.push_back(call.inputs[from][broadcast_position(call.shape(from), index)]);
  });
  return {y};
}

std::vector<Numbers> keep(const Call& call) {
  Numbers y;
  for_each_index(call.shape(0), [&](const Shape& index) {
    const bool holds = call.inputs[1][broadcast_position(call.shape(1), index)] ==
                       static_cast<double>(call.integer("when", 1));
    y.push_back(holds ? call.inputs[0][position(call.shape(0), index)] : 0);
  });
  return {y};
}

/// The number of `bits` bits (negative: without a sign) that equals x modulo 2^bits.
double wrapped(double x, std::int64_t bits) {
  if (bits == 0) return x;
  const double range = std::pow(2, static_cast<double>(std::abs(bits)));
  const double low = floored_rest(x, range);
  return bits > 0 && low >= range / 2 ? low - range : low;
}

std::vector<Numbers> cast_to(const Call& call) {
  const std::string to = call.call.attributes.text("to", "");
  Numbers y;
  for (const double x : call.inputs[0]) {
    if (to == "BOOL") {
      y.push_back(x != 0 ? 1 : 0);
    } else {
      y.push_back(to == "F32" ? x : wrapped(std::trunc(x), call.integer("bits", 0)));
    }
  }
  return {y};
}

std::vector<Numbers> one_hot(const Call& call) {
  const auto axis = static_cast<std::ptrdiff_t>(call.integer("axis", 0));
  const std::int64_t depth = call.integer("depth", 0);
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](Shape index) {
    const auto place = static_cast<double>(index[static_cast<std::size_t>(axis)]);
    index.erase(index.begin() + axis);
    double at = call.inputs[0][position(call.shape(0), index)];
    if (at < 0) at += static_cast<double>(depth);
    y.push_back(at == place ? call.number("on", 1) : call.number("off", 0));
  });
  return {y};
}

template <int Sign>
std::vector<Numbers> arg_max(const Call& call) {
  const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
  const Shape& x = call.shape(0);
  Shape kept = x;
  kept[axis] = 1;
  Numbers y;
  for_each_index(kept, [&](Shape index) {
    const auto value = [&](std::int64_t at) {
      index[axis] = at;
      return Sign * call.inputs[0][position(x, index)];
    };
    std::int64_t best = 0;
    for (std::int64_t at = 1; at < x[axis]; ++at) {
      const bool ties = call.integer("select_last_index", 0) != 0 && value(at) == value(best);
      if (ties || value(at) > value(best)) best = at;
    }
    y.push_back(static_cast<double>(best));
  });
  return {y};
}

std::vector<Numbers> top_k(const Call& call) {
  const Shape& x = call.shape(0);
  const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
  Shape kept = x;
  kept[axis] = call.integer("k", 1);
  const double sign = call.integer("largest", 1) != 0 ? 1 : -1;
  Numbers y;
  for_each_index(kept, [&](Shape index) {
    const auto rank = static_cast<std::size_t>(index[axis]);
    std::vector<std::pair<double, std::int64_t>> row;
    for (std::int64_t at = 0; at < x[axis]; ++at) {
      index[axis] = at;
      row.emplace_back(-sign * call.inputs[0][position(x, index)], at);
    }
    std::ranges::sort(row);
    y.push_back(static_cast<double>(row[rank].second));
  });
  return {y};
}

template <auto F>
std::vector<Numbers> each(const Call& call) {
  Numbers y;
  for (const double x : call.inputs[0]) y.push_back(F(call, x) ? 1 : 0);
  return {y};
}

bool is_infinite(const Call& call, double x) {
  constexpr double kMost = std::numeric_limits<double>::infinity();
  return (x == kMost && call.integer("detect_positive", 1) != 0) ||
         (x == -kMost && call.integer("detect_negative", 1) != 0);
}

}  // namespace

std::vector<Definition> logic_definitions() {
  using Int = std::int64_t;
  return {
      {"Equal", binary<[](double a, double b) { return a == b; }>},
      {"Less", binary<[](double a, double b) { return a < b; }>},
      {"LessOrEqual", binary<[](double a, double b) { return a <= b; }>},
      {"Greater", binary<[](double a, double b) { return b < a; }>},
      {"GreaterOrEqual", binary<[](double a, double b) { return a >= b; }>},
      {"And", binary<[](double a, double b) { return a != 0 && b != 0; }>},
      {"Or", binary<[](double a, double b) { return a != 0 || b != 0; }>},
      {"Xor", binary<[](double a, double b) { return (a != 0) != (b != 0); }>},
      {"IntegerAdd", binary<[](double a, double b) { return a + b; }>},
      {"IntegerSub", binary<[](double a, double b) { return a - b; }>},
      {"IntegerMul", binary<[](double a, double b) { return a * b; }>},
      {"IntegerDiv", binary<[](double a, double b) { return b == 0 ? 0 : std::trunc(a / b); }>},
      {"IntegerMod", binary<floored_rest>},
      {"IntegerRemainder", binary<[](double a, double b) { return b == 0 ? 0 : std::fmod(a, b); }>},
      {"IntegerMin", binary<[](double a, double b) { return std::min(a, b); }>},
      {"IntegerMax", binary<[](double a, double b) { return std::max(a, b); }>},
      {"BitwiseAnd", binary<on_integers<[](Int a, Int b) { return a & b; }>>},
      {"BitwiseOr", binary<on_integers<[](Int a, Int b) { return a | b; }>>},
      {"BitwiseXor", binary<on_integers<[](Int a, Int b) { return a ^ b; }>>},
      {"Where", where},
      {"Keep", keep},
      {"CastTo", cast_to},
      {"OneHot", one_hot},
      {"ArgMax", arg_max<1>},
      {"ArgMin", arg_max<-1>},
      {"TopK", top_k},
      {"IsNaN", each<[](const Call&, double x) { return std::isnan(x); }>},
      {"IsInf", each<is_infinite>},
  };
}

}  // namespace mpsearch::reference
