#include "kernels/math/batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/math/lanes.h"

namespace mpsearch {
namespace {

using Group = Lanes<32>;
constexpr float kEpsilon = 1e-5F;

// Images as [n, channels, plane] (RowMajor) and [n, plane, channels] (ChannelsLast), and the FP64
// answer for each.
struct Batch {
  std::int64_t images, channels, plane;
  std::vector<float> x, dy, gamma, beta;  // RowMajor
  std::vector<double> mean, variance, y, dx, dgamma, dbeta;

  std::size_t at(std::int64_t n, std::int64_t c, std::int64_t p) const {
    return static_cast<std::size_t>((n * channels + c) * plane + p);
  }
  double count() const { return static_cast<double>(images * plane); }

  Batch(std::int64_t n, std::int64_t c, std::int64_t p, float offset)
      : images(n), channels(c), plane(p) {
    std::mt19937 random(17);
    std::normal_distribution<float> normal;
    const auto size = static_cast<std::size_t>(n * c * p);
    for (std::size_t i = 0; i < size; ++i) x.push_back(2 * normal(random) + offset);
    for (std::size_t i = 0; i < size; ++i) dy.push_back(normal(random));
    for (std::int64_t i = 0; i < c; ++i) gamma.push_back(normal(random));
    for (std::int64_t i = 0; i < c; ++i) beta.push_back(normal(random));
    y.resize(size);
    dx.resize(size);
    for (std::int64_t i = 0; i < c; ++i) channel(i);
  }

  template <class F>
  void for_channel(std::int64_t c, F f) {
    for (std::int64_t n = 0; n < images; ++n) {
      for (std::int64_t p = 0; p < plane; ++p) f(at(n, c, p));
    }
  }

  void channel(std::int64_t c) {
    const double g = gamma[static_cast<std::size_t>(c)];
    double m = 0;
    double v = 0;
    double sum = 0;
    double dot = 0;
    for_channel(c, [&](std::size_t i) { m += x[i] / count(); });
    for_channel(c, [&](std::size_t i) { v += (x[i] - m) * (x[i] - m) / count(); });
    const double s = 1 / std::sqrt(v + kEpsilon);
    for_channel(c, [&](std::size_t i) {
      y[i] = (x[i] - m) * s * g + beta[static_cast<std::size_t>(c)];
      sum += dy[i];
      dot += dy[i] * (x[i] - m) * s;
    });
    for_channel(c, [&](std::size_t i) {
      dx[i] = g * s * (dy[i] - sum / count() - (x[i] - m) * s * dot / count());
    });
    mean.push_back(m);
    variance.push_back(v);
    dbeta.push_back(sum);
    dgamma.push_back(dot);
  }
};

void expect_near(double got, double want, double scale, const char* what) {
  ASSERT_NEAR(got, want, 2e-6 * (std::fabs(want) + scale)) << what;
}

TEST(BatchNorm, RowMajorFollowsFp64) {
  Batch b(5, 3, 49, 10.0F);
  for (std::int64_t c = 0; c < b.channels; ++c) {
    const auto channel = static_cast<std::size_t>(c);
    Moments all{0, 0, 0};
    for (std::int64_t n = 0; n < b.images; ++n) {
      all = merge(all, moments(Group{}, b.plane, b.x.data() + b.at(n, c, 0)));
    }
    expect_near(all.mean, b.mean[channel], 1, "mean");
    expect_near(all.square / all.count, b.variance[channel], 1, "variance");
    const NormStats stats = batch_norm_stats(all, kEpsilon);
    double sum = 0;
    double dot = 0;
    for (std::int64_t n = 0; n < b.images; ++n) {
      const std::size_t first = b.at(n, c, 0);
      const auto sums =
          batch_norm_sums(Group{}, b.plane, b.x.data() + first, b.dy.data() + first, stats);
      sum += sums.first;
      dot += sums.second;
    }
    expect_near(sum, b.dbeta[channel], 20, "dbeta");
    expect_near(dot, b.dgamma[channel], 20, "dgamma");
    const BatchNormGradient gradient{stats.mean, stats.invstd, stats.invstd * b.gamma[channel],
                                     static_cast<float>(sum / all.count),
                                     static_cast<float>(dot / all.count)};
    std::vector<float> out(static_cast<std::size_t>(b.plane));
    for (std::int64_t n = 0; n < b.images; ++n) {
      const std::size_t first = b.at(n, c, 0);
      normalise_channel(Group{}, b.plane, b.x.data() + first, stats, b.gamma[channel],
                        b.beta[channel], out.data());
      for (std::size_t i = 0; i < out.size(); ++i) expect_near(out[i], b.y[first + i], 5, "y");
      batch_norm_backward_channel(Group{}, b.plane, b.x.data() + first, b.dy.data() + first,
                                  gradient, out.data());
      for (std::size_t i = 0; i < out.size(); ++i) expect_near(out[i], b.dx[first + i], 5, "dx");
    }
  }
}

TEST(BatchNorm, ChannelsLastFollowsFp64) {
  for (const std::int64_t channels : {1, 6, 32, 37}) {
    Batch b(3, channels, 20, -4.0F);
    const std::int64_t rows = b.images * b.plane;
    const auto width = static_cast<std::size_t>(channels);
    std::vector<float> x(b.x.size());
    std::vector<float> dy(b.x.size());
    std::vector<std::size_t> origin(b.x.size());
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t n = 0; n < b.images; ++n) {
        for (std::int64_t p = 0; p < b.plane; ++p) {
          const auto i = static_cast<std::size_t>((n * b.plane + p) * channels + c);
          origin[i] = b.at(n, c, p);
          x[i] = b.x[origin[i]];
          dy[i] = b.dy[origin[i]];
        }
      }
    }
    // Two parts of the batch, merged.
    const std::int64_t half = rows / 2 + 1;
    std::vector<float> mean(width), square(width), mean2(width), square2(width);
    column_moments(Group{}, half, channels, x.data(), mean.data(), square.data());
    column_moments(Group{}, rows - half, channels, x.data() + half * channels, mean2.data(),
                   square2.data());
    std::vector<float> invstd(width), scale(width), shift(width), slope(width);
    for (std::size_t c = 0; c < width; ++c) {
      const Moments all = merge({static_cast<double>(half), mean[c], square[c]},
                                {static_cast<double>(rows - half), mean2[c], square2[c]});
      expect_near(all.mean, b.mean[c], 1, "mean");
      expect_near(all.square / all.count, b.variance[c], 1, "variance");
      const NormStats stats = batch_norm_stats(all, kEpsilon);
      mean[c] = stats.mean;
      invstd[c] = stats.invstd;
      scale[c] = stats.invstd * b.gamma[c];
    }
    std::vector<float> dbeta(width), dgamma(width);
    batch_norm_column_sums(Group{}, rows, channels, x.data(), dy.data(), mean.data(), invstd.data(),
                           dbeta.data(), dgamma.data());
    for (std::size_t c = 0; c < width; ++c) {
      expect_near(dbeta[c], b.dbeta[c], 20, "dbeta");
      expect_near(dgamma[c], b.dgamma[c], 20, "dgamma");
      shift[c] = dbeta[c] / static_cast<float>(rows);
      slope[c] = dgamma[c] / static_cast<float>(rows);
    }
    std::vector<float> y(width), dx(width);
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto first = static_cast<std::size_t>(row) * width;
      batch_norm_row(Group{}, channels, x.data() + first, mean.data(), scale.data(), b.beta.data(),
                     y.data());
      batch_norm_backward_row(Group{}, channels, x.data() + first, dy.data() + first, mean.data(),
                              invstd.data(), scale.data(), shift.data(), slope.data(), dx.data());
      for (std::size_t c = 0; c < width; ++c) {
        expect_near(y[c], b.y[origin[first + c]], 5, "y");
        expect_near(dx[c], b.dx[origin[first + c]], 5, "dx");
      }
    }
  }
}

TEST(BatchNorm, AMeanFarAboveTheSpreadDoesNotCancel) {
  std::vector<float> x(1000, 10000.0F);
  for (std::size_t i = 1; i < x.size(); i += 2) x[i] += 1.0F;
  Moments all{0, 0, 0};
  for (std::size_t part = 0; part < 10; ++part) {
    all = merge(all, moments(Group{}, 100, x.data() + 100 * part));
  }
  EXPECT_NEAR(all.square / all.count, 0.25, 1e-6);
}

TEST(BatchNorm, RunningStatisticsAreUnbiasedOrNot) {
  const Moments batch{4, 2.0, 12.0};
  const RunningStats old{1.0F, 1.0F};
  EXPECT_FLOAT_EQ(updated(old, batch, 0.1F, true).mean, 1.1F);
  EXPECT_FLOAT_EQ(updated(old, batch, 0.1F, true).variance, 0.9F + 0.1F * 4.0F);
  EXPECT_FLOAT_EQ(updated(old, batch, 0.1F, false).variance, 0.9F + 0.1F * 3.0F);
  EXPECT_TRUE(std::isfinite(updated(old, {1, 2.0, 0.0}, 0.1F, true).variance));
}

TEST(BatchNorm, MergingWithNothingChangesNothing) {
  const Moments some{3, 1.5, 2.0};
  const Moments none{0, 0, 0};
  EXPECT_EQ(merge(some, none).square, 2.0);
  EXPECT_EQ(merge(none, some).mean, 1.5);
  EXPECT_EQ(merge(none, none).count, 0.0);
}

}  // namespace
}  // namespace mpsearch
