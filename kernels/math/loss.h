// Losses: cross-entropy from logits a row, and losses that are sums over elements. Everything in
// FP32 from the logits on; a gradient leaves multiplied by `scale` (loss scale / count) and is
// rounded once, to the logits' gradient dtype.
#pragma once

#include <cstdint>

#include "kernels/math/group.h"
#include "kernels/math/softmax.h"
#include "kernels/math/transcendental.h"

namespace mpsearch {

/// -log(softmax(x)[label]) of one row of n classes; 0 where label is negative (an ignored target).
template <class Group, class X>
MPSEARCH_HD float cross_entropy(const Group& group, std::int64_t n, const X* x,
                                std::int64_t label) {
  if (label < 0) return 0.0F;
  const SoftmaxStats stats = softmax_stats(group, n, x);
  return math::log(stats.sum) - (decode(x[label]) - stats.max);
}

/// dx = scale (softmax(x) - onehot(label)), 0 where label is negative; returns the loss. dx may be
/// x.
template <class Group, class X, class DX>
MPSEARCH_HD float cross_entropy_backward(const Group& group, std::int64_t n, const X* x,
                                         std::int64_t label, float scale, DX* dx) {
  if (label < 0) {
    group.map(
        n, []() { return 0.0F; }, Out{dx});
    return 0.0F;
  }
  const SoftmaxStats stats = softmax_stats(group, n, x);
  const float max = stats.max;
  const float inverse = 1.0F / stats.sum;
  const float at_label = decode(x[label]) - max;
  group.map(
      n, [=](float v) { return scale * (math::exp(v - max) * inverse); }, Out{dx}, x);
  group.once([=]() { dx[label] = encode<DX>(scale * (math::exp(at_label) * inverse - 1.0F)); });
  return math::log(stats.sum) - at_label;
}

/// (x - target)^2.
struct SquaredError {
  MPSEARCH_HD static float value(float x, float target) { return (x - target) * (x - target); }
  MPSEARCH_HD static float slope(float x, float target) { return 2.0F * (x - target); }
};

/// Binary cross-entropy of sigmoid(x), from the logit x: max(x, 0) - x t + log(1 + exp(-|x|)).
struct BinaryCrossEntropy {
  MPSEARCH_HD static float value(float x, float target) {
    const float linear = (x < 0.0F ? 0.0F : x) - x * target;
    return linear + math::log1p(math::exp(-math::abs(x)));
  }
  MPSEARCH_HD static float slope(float x, float target) { return math::sigmoid(x) - target; }
};

/// Sum of Loss::value over n elements.
template <class Loss, class Group, class X, class T>
MPSEARCH_HD double element_loss(const Group& group, std::int64_t n, const X* x, const T* target) {
  return group.template reduce<SumF64>(
      n, [](float v, float t) { return static_cast<double>(Loss::value(v, t)); }, x, target);
}

/// dx = scale * Loss::slope.
template <class Loss, class Group, class X, class T, class DX>
MPSEARCH_HD void element_loss_backward(const Group& group, std::int64_t n, const X* x,
                                       const T* target, float scale, DX* dx) {
  group.map(
      n, [=](float v, float t) { return scale * Loss::slope(v, t); }, Out{dx}, x, target);
}

}  // namespace mpsearch
