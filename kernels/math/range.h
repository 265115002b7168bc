// What scaling and the finite check ask of a tensor: its largest magnitude, whether anything is not
// finite, its sum of squares.
#pragma once

#include <cstdint>

#include "kernels/math/group.h"
#include "kernels/math/transcendental.h"

namespace mpsearch {

struct Range {
  float amax;      // over the finite values; 0 of none
  bool nonfinite;  // something is Inf or NaN
};

MPSEARCH_HD inline Range merge(Range a, Range b) {
  return {a.amax > b.amax ? a.amax : b.amax, a.nonfinite || b.nonfinite};
}

template <class Group, class X>
MPSEARCH_HD Range range_of(const Group& group, std::int64_t n, const X* x) {
  const auto both = group.template reduce2<Greatest, Greatest>(
      n,
      [](float v) {
        const float a = math::abs(v);
        const bool finite = a < __builtin_inff();
        return Two<float, float>{finite ? a : 0.0F, finite ? 0.0F : 1.0F};
      },
      x);
  return {both.first > 0.0F ? both.first : 0.0F, both.second > 0.0F};
}

/// Sum of squares for a gradient norm; a driver adds the parts of a tensor up in a fixed order.
template <class Group, class X>
MPSEARCH_HD double sum_of_squares(const Group& group, std::int64_t n, const X* x) {
  return group.template reduce<SumF64>(
      n, [](float v) { return static_cast<double>(v) * static_cast<double>(v); }, x);
}

}  // namespace mpsearch
