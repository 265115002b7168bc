// Softmax, losses and norms of a row against FP64, on every storage type.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "kernels/math/lanes.h"
#include "kernels/math/loss.h"
#include "kernels/math/norm.h"
#include "kernels/math/softmax.h"

namespace mpsearch {
namespace {

using Group = Lanes<32>;
constexpr std::int64_t kLengths[] = {1, 2, 10, 31, 32, 33, 100, 1000};

template <class T>
struct Row {
  std::vector<T> stored;
  std::vector<double> value;
  const T* data() const { return stored.data(); }
};

template <class T>
Row<T> random_row(std::int64_t n, unsigned seed, float spread = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  Row<T> row;
  for (std::int64_t i = 0; i < n; ++i) {
    row.stored.push_back(encode<T>(normal(random)));
    row.value.push_back(decode(row.stored.back()));
  }
  return row;
}

// Half a unit in the last place of the storage type, with room for FP32 inside.
template <class T>
double epsilon() {
  const float next = decode(T{static_cast<decltype(T::bits)>(encode<T>(1.0F).bits + 1)});
  return (next - 1.0) / 2 + 0x1p-20;
}
template <>
double epsilon<float>() {
  return 0x1p-20;
}

template <class T>
void expect_row(const std::vector<T>& got, const std::vector<double>& want, const char* what) {
  double scale = 0;
  for (const double w : want) scale = std::max(scale, std::fabs(w));
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(decode(got[i]), want[i], epsilon<T>() * std::fabs(want[i]) + 0x1p-20 * scale)
        << what << " element " << i << " of " << want.size();
  }
}

std::vector<double> softmax64(const std::vector<double>& x) {
  const double max = *std::max_element(x.begin(), x.end());
  std::vector<double> y;
  double sum = 0;
  for (const double v : x) {
    y.push_back(std::exp(v - max));
    sum += y.back();
  }
  for (double& v : y) v /= sum;
  return y;
}

// The gradient of sum(dy f(x)) by central differences in FP64.
using Function = std::function<std::vector<double>(const std::vector<double>&)>;
std::vector<double> gradient64(const Function& f, std::vector<double> x,
                               const std::vector<double>& dy) {
  std::vector<double> dx;
  for (double& v : x) {
    const double kept = v;
    const double h = 1e-5;
    double difference = 0;
    v = kept + h;
    std::vector<double> y = f(x);
    for (std::size_t i = 0; i < y.size(); ++i) difference += dy[i] * y[i];
    v = kept - h;
    y = f(x);
    for (std::size_t i = 0; i < y.size(); ++i) difference -= dy[i] * y[i];
    v = kept;
    dx.push_back(difference / (2 * h));
  }
  return dx;
}

template <class T>
class Rows : public testing::Test {};
using StorageTypes = testing::Types<float, BF16, F16>;
TYPED_TEST_SUITE(Rows, StorageTypes);

TYPED_TEST(Rows, SoftmaxAndItsLogarithm) {
  for (const std::int64_t n : kLengths) {
    const auto x = random_row<TypeParam>(n, 1, 3.0F);
    std::vector<TypeParam> y(x.stored.size());
    softmax(Group{}, n, x.data(), y.data());
    std::vector<double> want = softmax64(x.value);
    expect_row(y, want, "softmax");
    log_softmax(Group{}, n, x.data(), y.data());
    for (double& v : want) v = std::log(v);
    expect_row(y, want, "log softmax");
  }
}

TYPED_TEST(Rows, SoftmaxGradients) {
  for (const std::int64_t n : {2, 10, 33, 100}) {
    const auto x = random_row<TypeParam>(n, 2);
    const auto dy = random_row<TypeParam>(n, 3);
    std::vector<float> y(x.stored.size());
    std::vector<TypeParam> dx(x.stored.size());
    softmax(Group{}, n, x.data(), y.data());
    softmax_backward(Group{}, n, dy.data(), y.data(), dx.data());
    expect_row(dx, gradient64(softmax64, x.value, dy.value), "softmax gradient");
    log_softmax(Group{}, n, x.data(), y.data());
    log_softmax_backward(Group{}, n, dy.data(), y.data(), dx.data());
    const Function log64 = [](const std::vector<double>& v) {
      std::vector<double> p = softmax64(v);
      for (double& q : p) q = std::log(q);
      return p;
    };
    expect_row(dx, gradient64(log64, x.value, dy.value), "log softmax gradient");
  }
}

TYPED_TEST(Rows, CrossEntropyAndItsGradient) {
  for (const std::int64_t n : kLengths) {
    const auto x = random_row<TypeParam>(n, 4, 5.0F);
    const std::int64_t label = n / 3;
    std::vector<double> want = softmax64(x.value);
    const double loss = -std::log(want[static_cast<std::size_t>(label)]);
    want[static_cast<std::size_t>(label)] -= 1;
    for (double& v : want) v *= 0.125;
    std::vector<TypeParam> dx(x.stored.size());
    const float got = cross_entropy_backward(Group{}, n, x.data(), label, 0.125F, dx.data());
    EXPECT_NEAR(got, loss, 1e-6 * (1 + loss)) << n;
    EXPECT_EQ(got, cross_entropy(Group{}, n, x.data(), label));
    expect_row(dx, want, "cross-entropy gradient");
    // In place, and an ignored target.
    std::vector<TypeParam> place = x.stored;
    cross_entropy_backward(Group{}, n, place.data(), label, 0.125F, place.data());
    EXPECT_EQ(place, dx);
    EXPECT_EQ(cross_entropy_backward(Group{}, n, x.data(), -1, 0.125F, dx.data()), 0.0F);
    for (const TypeParam v : dx) EXPECT_EQ(decode(v), 0.0F);
  }
}

TEST(RowsOnce, CrossEntropyOfHugeLogitsStaysFinite) {
  const float x[] = {1e30F, 0.0F, -1e30F};
  EXPECT_EQ(cross_entropy(Group{}, 3, x, 0), 0.0F);
  EXPECT_EQ(cross_entropy(Group{}, 3, x, 1), 1e30F);
}

TYPED_TEST(Rows, ElementLossesAndTheirGradients) {
  for (const std::int64_t n : kLengths) {
    const auto x = random_row<TypeParam>(n, 5, 4.0F);
    auto t = random_row<float>(n, 6);
    for (std::size_t i = 0; i < t.stored.size(); ++i) {
      t.stored[i] = std::fabs(t.stored[i]) < 1 ? std::fabs(t.stored[i]) : 1.0F;
      t.value[i] = t.stored[i];
    }
    double mse = 0;
    double bce = 0;
    std::vector<double> mse_slope;
    std::vector<double> bce_slope;
    for (std::size_t i = 0; i < x.value.size(); ++i) {
      const double p = 1 / (1 + std::exp(-x.value[i]));
      mse += (x.value[i] - t.value[i]) * (x.value[i] - t.value[i]);
      bce += -t.value[i] * std::log(p) - (1 - t.value[i]) * std::log(1 - p);
      mse_slope.push_back(2 * (x.value[i] - t.value[i]) * 0.25);
      bce_slope.push_back((p - t.value[i]) * 0.25);
    }
    std::vector<TypeParam> dx(x.stored.size());
    EXPECT_NEAR(element_loss<SquaredError>(Group{}, n, x.data(), t.data()), mse, 1e-6 * mse);
    element_loss_backward<SquaredError>(Group{}, n, x.data(), t.data(), 0.25F, dx.data());
    expect_row(dx, mse_slope, "squared error gradient");
    EXPECT_NEAR(element_loss<BinaryCrossEntropy>(Group{}, n, x.data(), t.data()), bce, 1e-6 * bce);
    element_loss_backward<BinaryCrossEntropy>(Group{}, n, x.data(), t.data(), 0.25F, dx.data());
    expect_row(dx, bce_slope, "binary cross-entropy gradient");
  }
}

struct Norm {
  bool centred;
  std::vector<double> gamma, beta;
  std::vector<double> operator()(const std::vector<double>& x) const {
    const auto n = static_cast<double>(x.size());
    double mean = 0;
    for (const double v : x) mean += centred ? v / n : 0;
    double variance = 0;
    for (const double v : x) variance += (v - mean) * (v - mean) / n;
    std::vector<double> y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.push_back((x[i] - mean) / std::sqrt(variance + 1e-5) * gamma[i] + beta[i]);
    }
    return y;
  }
};

TYPED_TEST(Rows, LayerAndRmsNormWithGradients) {
  for (const std::int64_t n : {5, 10, 32, 33, 200}) {
    auto x = random_row<TypeParam>(n, 7, 2.0F);
    for (std::size_t i = 0; i < x.stored.size(); ++i) {
      x.stored[i] = encode<TypeParam>(decode(x.stored[i]) + 3.0F);
      x.value[i] = decode(x.stored[i]);
    }
    const auto dy = random_row<TypeParam>(n, 8);
    const auto gamma = random_row<float>(n, 9);
    const auto beta = random_row<float>(n, 10);
    std::vector<TypeParam> out(x.stored.size());
    const Norm layer{true, gamma.value, beta.value};
    const NormStats stats = norm_stats(Group{}, n, x.data(), 1e-5F);
    normalise(Group{}, n, x.data(), stats, gamma.data(), beta.data(), out.data());
    expect_row(out, layer(x.value), "layer norm");
    normalise_backward<true>(Group{}, n, x.data(), dy.data(), stats, gamma.data(), out.data());
    expect_row(out, gradient64(layer, x.value, dy.value), "layer norm gradient");
    const Norm rms{false, gamma.value, std::vector<double>(gamma.value.size())};
    const NormStats square = rms_stats(Group{}, n, x.data(), 1e-5F);
    normalise(Group{}, n, x.data(), square, gamma.data(), static_cast<const float*>(nullptr),
              out.data());
    expect_row(out, rms(x.value), "RMS norm");
    normalise_backward<false>(Group{}, n, x.data(), dy.data(), square, gamma.data(), out.data());
    expect_row(out, gradient64(rms, x.value, dy.value), "RMS norm gradient");
  }
}

TEST(RowsOnce, NormParametersCollectTheirGradientsOverRows) {
  constexpr std::int64_t kRows = 5;
  constexpr std::int64_t kWidth = 37;
  const auto x = random_row<BF16>(kRows * kWidth, 11);
  const auto dy = random_row<BF16>(kRows * kWidth, 12);
  std::vector<float> mean;
  std::vector<float> invstd;
  for (std::int64_t row = 0; row < kRows; ++row) {
    const NormStats stats = norm_stats(Group{}, kWidth, x.data() + row * kWidth, 1e-5F);
    mean.push_back(stats.mean);
    invstd.push_back(stats.invstd);
  }
  std::vector<float> dgamma(kWidth);
  std::vector<float> dbeta(kWidth);
  norm_parameter_gradients(Group{}, kRows, kWidth, x.data(), dy.data(), mean.data(), invstd.data(),
                           dgamma.data(), dbeta.data());
  std::vector<double> want_gamma(kWidth);
  std::vector<double> want_beta(kWidth);
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t c = 0; c < kWidth; ++c) {
      const std::size_t i = row * kWidth + c;
      want_gamma[c] += dy.value[i] * (x.value[i] - mean[row]) * invstd[row];
      want_beta[c] += dy.value[i];
    }
  }
  expect_row(dgamma, want_gamma, "dgamma");
  expect_row(dbeta, want_beta, "dbeta");
}

}  // namespace
}  // namespace mpsearch
