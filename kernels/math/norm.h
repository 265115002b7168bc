// Layer and RMS normalisation of one row: statistics, forward, backward. normalise_channel serves
// the norms whose scale is one value a channel: instance, group and batch norm (batch_norm.h).
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/group.h"
#include "kernels/math/transcendental.h"

namespace mpsearch {

/// What a norm saves beside its input. RMS norm has mean 0.
struct NormStats {
  float mean;
  float invstd;
};

/// Two passes: mean, then variance about it (biased), 1 / sqrt(variance + epsilon).
template <class Group, class X>
MPSEARCH_HD NormStats norm_stats(const Group& group, std::int64_t n, const X* x, float epsilon) {
  const auto count = static_cast<float>(n);
  const float mean = group.template reduce<Sum>(
                         n, [](float v) { return v; }, x) /
                     count;
  const float square = group.template reduce<Sum>(
      n, [=](float v) { return (v - mean) * (v - mean); }, x);
  return {mean, 1.0F / ::sqrtf(square / count + epsilon)};
}

/// 1 / sqrt(mean of squares + epsilon), with mean 0.
template <class Group, class X>
MPSEARCH_HD NormStats rms_stats(const Group& group, std::int64_t n, const X* x, float epsilon) {
  const float square = group.template reduce<Sum>(
      n, [](float v) { return v * v; }, x);
  return {0.0F, 1.0F / ::sqrtf(square / static_cast<float>(n) + epsilon)};
}

/// y = (x - mean) invstd gamma + beta; gamma and beta of n elements, beta may be null.
template <class Group, class X, class P, class Y>
MPSEARCH_HD void normalise(const Group& group, std::int64_t n, const X* x, NormStats stats,
                           const P* gamma, const P* beta, Y* y) {
  const float mean = stats.mean;
  const float invstd = stats.invstd;
  if (beta == nullptr) {
    group.map(
        n, [=](float v, float g) { return (v - mean) * invstd * g; }, Out{y}, x, gamma);
  } else {
    group.map(
        n, [=](float v, float g, float b) { return (v - mean) * invstd * g + b; }, Out{y}, x, gamma,
        beta);
  }
}

/// As above for one channel of an instance, group or batch norm: gamma and beta are scalars.
template <class Group, class X, class Y>
MPSEARCH_HD void normalise_channel(const Group& group, std::int64_t n, const X* x, NormStats stats,
                                   float gamma, float beta, Y* y) {
  const float mean = stats.mean;
  const float scale = stats.invstd * gamma;
  group.map(
      n, [=](float v) { return (v - mean) * scale + beta; }, Out{y}, x);
}

/// dx = invstd (g - mean(g) - x_hat mean(g x_hat)) with g = dy gamma; without the mean(g) for RMS.
template <bool centred, class Group, class X, class DY, class P, class DX>
MPSEARCH_HD void normalise_backward(const Group& group, std::int64_t n, const X* x, const DY* dy,
                                    NormStats stats, const P* gamma, DX* dx) {
  const float mean = stats.mean;
  const float invstd = stats.invstd;
  const auto sums = group.template reduce2<Sum, Sum>(
      n,
      [=](float v, float dv, float g) {
        const float dg = dv * g;
        return Two<float, float>{dg, dg * ((v - mean) * invstd)};
      },
      x, dy, gamma);
  const auto count = static_cast<float>(n);
  const float shift = centred ? sums.first / count : 0.0F;
  const float slope = sums.second / count;
  group.map(
      n,
      [=](float v, float dv, float g) {
        return invstd * (dv * g - shift - (v - mean) * invstd * slope);
      },
      Out{dx}, x, dy, gamma);
}

/// dgamma = sum over rows of dy x_hat, dbeta = sum of dy, for `rows` rows of n; mean and invstd
/// have an element a row. A driver adds up the results of several calls in a fixed order.
template <class Group, class X, class DY>
MPSEARCH_HD void norm_parameter_gradients(const Group& group, std::int64_t rows, std::int64_t n,
                                          const X* x, const DY* dy, const float* mean,
                                          const float* invstd, float* dgamma, float* dbeta) {
  group.fold_columns(
      rows, n, Values<2>{{0.0F, 0.0F}},
      [=](Values<2> sum, std::int64_t row, float v, float dv) {
        const float hat = (v - mean[row]) * invstd[row];
        return Values<2>{{sum.v[0] + dv * hat, sum.v[1] + dv}};
      },
      [](Values<2> sum) { return sum; }, Out{dgamma, dbeta},
      [=](std::int64_t row) { return x + row * n; },
      [=](std::int64_t row) { return dy + row * n; });
}

}  // namespace mpsearch
