// Pooling, channels last: one output position (forward) or one input position (backward), all its
// channels at once. The driver lists which positions a window covers; `code[k]` numbers position k
// within the window (kh * width + kw, at most 255), and is what max pooling saves, one byte.
#pragma once

#include <cstdint>

#include "kernels/math/group.h"
#include "kernels/number/bits.h"

namespace mpsearch {

/// a, or b where `take` is all ones: without a branch, which random data would mispredict.
MPSEARCH_HD inline float pick_bits(float a, float b, std::uint32_t take) {
  const std::uint32_t bits = float_bits(a);
  return float_from_bits(bits ^ ((bits ^ float_bits(b)) & take));
}

/// The running best of a window: value and code. NaN wins, as in PyTorch.
MPSEARCH_HD inline Values<2> max_pool_step(Values<2> best, float code, float x) {
  const auto better = static_cast<std::uint32_t>((x > best.v[0]) | (x != x));
  const std::uint32_t take = 0U - better;
  return {{pick_bits(best.v[0], x, take), pick_bits(best.v[1], code, take)}};
}

/// y and index of one window with count >= 1 positions inside the image; input(k) points to the
/// channels at position k.
template <class Group, class Input, class Y>
MPSEARCH_HD void max_pool(const Group& group, std::int64_t count, const std::uint8_t* code,
                          std::int64_t channels, Input input, Y* y, std::uint8_t* index) {
  group.fold_columns(
      count, channels, Values<2>{{-__builtin_inff(), static_cast<float>(code[0])}},
      [=](Values<2> best, std::int64_t k, float x) {
        return max_pool_step(best, static_cast<float>(code[k]), x);
      },
      [](Values<2> best) { return best; }, Out{y, index}, input);
}

/// dx of one input position: the sum of dy over the `count` windows that cover it and chose it.
/// dy(k), index(k) point to the channels of the k-th such window, in which the position is code[k].
template <class Group, class Dy, class Index, class DX>
MPSEARCH_HD void max_pool_backward(const Group& group, std::int64_t count, const std::uint8_t* code,
                                   std::int64_t channels, Dy dy, Index index, DX* dx) {
  group.fold_columns(
      count, channels, Values<1>{{0.0F}},
      [=](Values<1> sum, std::int64_t k, float dv, float chosen) {
        const float share = chosen == static_cast<float>(code[k]) ? dv : 0.0F;
        return Values<1>{{sum.v[0] + share}};
      },
      [](Values<1> sum) { return sum.v[0]; }, Out{dx}, dy, index);
}

/// y = weight * sum over the window; weight = 1 / (positions that count).
template <class Group, class Input, class Y>
MPSEARCH_HD void average_pool(const Group& group, std::int64_t count, float weight,
                              std::int64_t channels, Input input, Y* y) {
  group.fold_columns(
      count, channels, Values<1>{{0.0F}},
      [](Values<1> sum, std::int64_t, float x) { return Values<1>{{sum.v[0] + x}}; },
      [=](Values<1> sum) { return sum.v[0] * weight; }, Out{y}, input);
}

/// dx of one input position: the sum of weight[k] dy over the windows that cover it.
template <class Group, class Dy, class DX>
MPSEARCH_HD void average_pool_backward(const Group& group, std::int64_t count, const float* weight,
                                       std::int64_t channels, Dy dy, DX* dx) {
  group.fold_columns(
      count, channels, Values<1>{{0.0F}},
      [=](Values<1> sum, std::int64_t k, float dv) {
        return Values<1>{{sum.v[0] + weight[k] * dv}};
      },
      [](Values<1> sum) { return sum.v[0]; }, Out{dx}, dy);
}

}  // namespace mpsearch
