// Batch normalisation: statistics a channel over parts of the batch and their merging, running
// statistics, and both passes for the two layouts. A driver cuts the batch into fixed parts (a
// plane of RowMajor, a block of rows of ChannelsLast), and merges their results in a fixed order.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/group.h"
#include "kernels/math/norm.h"

namespace mpsearch {

/// Count, mean and sum of squared deviations of some values.
struct Moments {
  double count;
  double mean;
  double square;
};

/// Of both sets (Chan, Golub, LeVeque: "Algorithms for computing the sample variance", 1983).
MPSEARCH_HD inline Moments merge(Moments a, Moments b) {
  const double count = a.count + b.count;
  if (count == 0.0) return a;
  const double delta = b.mean - a.mean;
  const double share = b.count / count;
  return {count, a.mean + delta * share, a.square + b.square + delta * delta * (a.count * share)};
}

/// Of n values of one channel, in two passes.
template <class Group, class X>
MPSEARCH_HD Moments moments(const Group& group, std::int64_t n, const X* x) {
  if (n == 0) return {0.0, 0.0, 0.0};
  const float mean = group.template reduce<Sum>(
                         n, [](float v) { return v; }, x) /
                     static_cast<float>(n);
  const float square = group.template reduce<Sum>(
      n, [=](float v) { return (v - mean) * (v - mean); }, x);
  return {static_cast<double>(n), mean, square};
}

/// Of each column of [rows, cols] (ChannelsLast), in two passes, into mean and square of `cols`
/// elements. Keep rows * cols small enough to stay in cache.
template <class Group, class X>
MPSEARCH_HD void column_moments(const Group& group, std::int64_t rows, std::int64_t cols,
                                const X* x, float* mean, float* square) {
  const auto count = static_cast<float>(rows);
  const auto row_of_x = [=](std::int64_t row) { return x + row * cols; };
  group.fold_columns(
      rows, cols, Values<1>{{0.0F}},
      [](Values<1> sum, std::int64_t, float v) { return Values<1>{{sum.v[0] + v}}; },
      [=](Values<1> sum) { return sum.v[0] / count; }, Out{mean}, row_of_x);
  group.sync();
  group.fold_columns(
      rows, cols, Values<1>{{0.0F}},
      [](Values<1> sum, std::int64_t, float v, float centre) {
        return Values<1>{{sum.v[0] + (v - centre) * (v - centre)}};
      },
      [](Values<1> sum) { return sum.v[0]; }, Out{square}, row_of_x,
      [=](std::int64_t) { return static_cast<const float*>(mean); });
}

/// Biased variance, as batch normalisation uses it.
MPSEARCH_HD inline NormStats batch_norm_stats(Moments all, float epsilon) {
  const double variance = all.square / all.count;
  return {static_cast<float>(all.mean),
          static_cast<float>(1.0 / ::sqrt(variance + static_cast<double>(epsilon)))};
}

struct RunningStats {
  float mean;
  float variance;
};

/// (1 - momentum) old + momentum * batch. `unbiased`: variance n / (n - 1), as PyTorch; else as
/// ONNX. (ONNX's own momentum is 1 - momentum.)
MPSEARCH_HD inline RunningStats updated(RunningStats old, Moments batch, float momentum,
                                        bool unbiased) {
  const double divisor = unbiased && batch.count > 1.0 ? batch.count - 1.0 : batch.count;
  const auto variance = static_cast<float>(batch.square / divisor);
  const float keep = 1.0F - momentum;
  return {keep * old.mean + momentum * static_cast<float>(batch.mean),
          keep * old.variance + momentum * variance};
}

/// One row of `cols` channels (ChannelsLast): y = (x - mean) scale + beta with scale = invstd
/// gamma. RowMajor: normalise_channel of norm.h, with the same rounding.
template <class Group, class X, class Y>
MPSEARCH_HD void batch_norm_row(const Group& group, std::int64_t cols, const X* x,
                                const float* mean, const float* scale, const float* beta, Y* y) {
  group.map(
      cols, [](float v, float m, float s, float b) { return (v - m) * s + b; }, Out{y}, x, mean,
      scale, beta);
}

/// Sums over some values of a channel that the backward pass needs: of dy, of dy x_hat.
template <class Group, class X, class DY>
MPSEARCH_HD Two<float, float> batch_norm_sums(const Group& group, std::int64_t n, const X* x,
                                              const DY* dy, NormStats stats) {
  const float mean = stats.mean;
  const float invstd = stats.invstd;
  return group.template reduce2<Sum, Sum>(
      n,
      [=](float v, float dv) {
        return Two<float, float>{dv, dv * ((v - mean) * invstd)};
      },
      x, dy);
}

/// The same for each column of [rows, cols]: dbeta gets the sum of dy, dgamma that of dy x_hat.
template <class Group, class X, class DY>
MPSEARCH_HD void batch_norm_column_sums(const Group& group, std::int64_t rows, std::int64_t cols,
                                        const X* x, const DY* dy, const float* mean,
                                        const float* invstd, float* dbeta, float* dgamma) {
  group.fold_columns(
      rows, cols, Values<2>{{0.0F, 0.0F}},
      [](Values<2> sum, std::int64_t, float v, float dv, float m, float s) {
        return Values<2>{{sum.v[0] + dv, sum.v[1] + dv * ((v - m) * s)}};
      },
      [](Values<2> sum) { return sum; }, Out{dbeta, dgamma},
      [=](std::int64_t row) { return x + row * cols; },
      [=](std::int64_t row) { return dy + row * cols; }, [=](std::int64_t) { return mean; },
      [=](std::int64_t) { return invstd; });
}

/// dx = gamma invstd (dy - dbeta / n - x_hat dgamma / n), n the batch's values a channel.
struct BatchNormGradient {
  float mean, invstd, scale;  // scale = gamma invstd
  float shift, slope;         // dbeta / n, dgamma / n
  MPSEARCH_HD float operator()(float x, float dy) const {
    return scale * (dy - shift - (x - mean) * invstd * slope);
  }
};

/// n values of one channel.
template <class Group, class X, class DY, class DX>
MPSEARCH_HD void batch_norm_backward_channel(const Group& group, std::int64_t n, const X* x,
                                             const DY* dy, BatchNormGradient gradient, DX* dx) {
  group.map(
      n, [=](float v, float dv) { return gradient(v, dv); }, Out{dx}, x, dy);
}

/// One row of `cols` channels; the other arrays hold BatchNormGradient's members a channel.
template <class Group, class X, class DY, class DX>
MPSEARCH_HD void batch_norm_backward_row(const Group& group, std::int64_t cols, const X* x,
                                         const DY* dy, const float* mean, const float* invstd,
                                         const float* scale, const float* shift, const float* slope,
                                         DX* dx) {
  group.map(
      cols,
      [](float v, float dv, float m, float i, float s, float h, float l) {
        return BatchNormGradient{m, i, s, h, l}(v, dv);
      },
      Out{dx}, x, dy, mean, invstd, scale, shift, slope);
}

}  // namespace mpsearch
