#include "kernels/math/pool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/math/lanes.h"

namespace mpsearch {
namespace {

using Group = Lanes<32>;

// A 2-D pooling of one channels-last image, and the lists of positions that a driver makes.
struct Image {
  static constexpr int kHeight = 7, kWidth = 9, kKernel = 3, kStride = 2, kPad = 1;
  static constexpr int kOutHeight = 4, kOutWidth = 5;
  int channels;

  int in(int h, int w) const { return (h * kWidth + w) * channels; }
  int out(int h, int w) const { return (h * kOutWidth + w) * channels; }

  struct Positions {
    std::vector<int> offset;
    std::vector<std::uint8_t> code;
  };
  Positions window(int oh, int ow) const {
    Positions list;
    for (int kh = 0; kh < kKernel; ++kh) {
      for (int kw = 0; kw < kKernel; ++kw) {
        const int h = oh * kStride - kPad + kh;
        const int w = ow * kStride - kPad + kw;
        if (h < 0 || h >= kHeight || w < 0 || w >= kWidth) continue;
        list.offset.push_back(in(h, w));
        list.code.push_back(static_cast<std::uint8_t>(kh * kKernel + kw));
      }
    }
    return list;
  }
  // The windows that cover an input position.
  Positions cover(int h, int w) const {
    Positions list;
    for (int oh = 0; oh < kOutHeight; ++oh) {
      for (int ow = 0; ow < kOutWidth; ++ow) {
        const int kh = h - (oh * kStride - kPad);
        const int kw = w - (ow * kStride - kPad);
        if (kh < 0 || kh >= kKernel || kw < 0 || kw >= kKernel) continue;
        list.offset.push_back(out(oh, ow));
        list.code.push_back(static_cast<std::uint8_t>(kh * kKernel + kw));
      }
    }
    return list;
  }
};

std::vector<BF16> random_values(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<BF16> values;
  for (int i = 0; i < n; ++i) values.push_back(to_bf16(normal(random) - 2.0F));
  return values;
}

TEST(Pool, MaxTakesTheFirstLargestAndSendsTheGradientThere) {
  for (const int channels : {1, 5, 32, 40}) {
    const Image image{channels};
    const auto x = random_values(Image::kHeight * Image::kWidth * channels, 1);
    const int outputs = Image::kOutHeight * Image::kOutWidth * channels;
    const auto dy = random_values(outputs, 2);
    std::vector<BF16> y(static_cast<std::size_t>(outputs));
    std::vector<std::uint8_t> index(y.size());
    std::vector<double> want_dx(x.size());
    for (int oh = 0; oh < Image::kOutHeight; ++oh) {
      for (int ow = 0; ow < Image::kOutWidth; ++ow) {
        const auto list = image.window(oh, ow);
        const int o = image.out(oh, ow);
        max_pool(
            Group{}, static_cast<std::int64_t>(list.code.size()), list.code.data(), channels,
            [&](std::int64_t k) { return x.data() + list.offset[static_cast<std::size_t>(k)]; },
            y.data() + o, index.data() + o);
        for (int c = 0; c < channels; ++c) {
          const auto i = static_cast<std::size_t>(o + c);
          std::size_t best = 0;
          const auto value = [&](std::size_t k) {
            return decode(x[static_cast<std::size_t>(list.offset[k] + c)]);
          };
          for (std::size_t k = 1; k < list.code.size(); ++k) {
            if (value(k) > value(best)) best = k;
          }
          ASSERT_EQ(decode(y[i]), value(best));
          ASSERT_EQ(index[i], list.code[best]);
          want_dx[static_cast<std::size_t>(list.offset[best] + c)] += decode(dy[i]);
        }
      }
    }
    std::vector<float> dx(static_cast<std::size_t>(channels));
    for (int h = 0; h < Image::kHeight; ++h) {
      for (int w = 0; w < Image::kWidth; ++w) {
        const auto list = image.cover(h, w);
        const auto at = [&](const auto& values) {
          return [&](std::int64_t k) {
            return values.data() + list.offset[static_cast<std::size_t>(k)];
          };
        };
        max_pool_backward(Group{}, static_cast<std::int64_t>(list.code.size()), list.code.data(),
                          channels, at(dy), at(index), dx.data());
        for (int c = 0; c < channels; ++c) {
          ASSERT_NEAR(dx[static_cast<std::size_t>(c)],
                      want_dx[static_cast<std::size_t>(image.in(h, w) + c)], 1e-6);
        }
      }
    }
  }
}

TEST(Pool, NaNWinsAndMinusInfinityHasAValidIndex) {
  const float nan = std::nanf("");
  const float inf = std::numeric_limits<float>::infinity();
  const float x[3][2] = {{1.0F, -inf}, {nan, -inf}, {2.0F, -inf}};
  const std::uint8_t code[] = {4, 5, 7};
  float y[2];
  std::uint8_t index[2];
  max_pool(
      Group{}, 3, code, 2, [&](std::int64_t k) { return x[k]; }, y, index);
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(index[0], 5);
  EXPECT_EQ(y[1], -inf);
  EXPECT_EQ(index[1], 4);
}

TEST(Pool, AverageAndItsGradient) {
  const float x[3][2] = {{1.0F, 2.0F}, {3.0F, 5.0F}, {2.0F, -1.0F}};
  const auto row = [&](std::int64_t k) { return x[k]; };
  float y[2];
  average_pool(Group{}, 3, 0.25F, 2, row, y);
  EXPECT_EQ(y[0], 1.5F);
  EXPECT_EQ(y[1], 1.5F);
  const float weight[] = {0.5F, 0.25F, 1.0F};
  average_pool_backward(Group{}, 3, weight, 2, row, y);
  EXPECT_EQ(y[0], 3.25F);
  EXPECT_EQ(y[1], 1.25F);
}

}  // namespace
}  // namespace mpsearch
