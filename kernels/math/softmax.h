// Softmax and log-softmax of one row, forward and backward from the output. Drivers call them for
// each row of [rows, n].
#pragma once

#include <cstdint>

#include "kernels/math/group.h"
#include "kernels/math/transcendental.h"

namespace mpsearch {

/// exp(x - max) sums to `sum`; log-sum-exp is max + log(sum).
struct SoftmaxStats {
  float max;
  float sum;
};

/// Shifted by the maximum, so that nothing overflows.
template <class Group, class X>
MPSEARCH_HD SoftmaxStats softmax_stats(const Group& group, std::int64_t n, const X* x) {
  const float max = group.template reduce<Greatest>(
      n, [](float v) { return v; }, x);
  const float sum = group.template reduce<Sum>(
      n, [=](float v) { return math::exp(v - max); }, x);
  return {max, sum};
}

/// y = softmax(x).
template <class Group, class X, class Y>
MPSEARCH_HD void softmax(const Group& group, std::int64_t n, const X* x, Y* y) {
  const SoftmaxStats stats = softmax_stats(group, n, x);
  const float max = stats.max;
  const float scale = 1.0F / stats.sum;
  group.map(
      n, [=](float v) { return math::exp(v - max) * scale; }, Out{y}, x);
}

/// y = log(softmax(x)).
template <class Group, class X, class Y>
MPSEARCH_HD void log_softmax(const Group& group, std::int64_t n, const X* x, Y* y) {
  const SoftmaxStats stats = softmax_stats(group, n, x);
  const float max = stats.max;
  const float log_sum = math::log(stats.sum);
  group.map(
      n, [=](float v) { return (v - max) - log_sum; }, Out{y}, x);
}

/// dx = y (dy - sum(dy y)), where y is `scale` times what is stored.
template <class Group, class DY, class Y, class DX>
MPSEARCH_HD void softmax_backward(const Group& group, std::int64_t n, const DY* dy, const Y* y,
                                  DX* dx, float scale = 1.0F) {
  const float dot = group.template reduce<Sum>(
      n, [=](float dv, float v) { return dv * (v * scale); }, dy, y);
  group.map(
      n, [=](float dv, float v) { return (v * scale) * (dv - dot); }, Out{dx}, dy, y);
}

/// dx = dy - exp(y) sum(dy), where y is `scale` times what is stored.
template <class Group, class DY, class Y, class DX>
MPSEARCH_HD void log_softmax_backward(const Group& group, std::int64_t n, const DY* dy, const Y* y,
                                      DX* dx, float scale = 1.0F) {
  const float sum = group.template reduce<Sum>(
      n, [](float dv) { return dv; }, dy);
  group.map(
      n, [=](float dv, float v) { return dv - math::exp(v * scale) * sum; }, Out{dx}, dy, y);
}

}  // namespace mpsearch
