#include "kernels/math/lanes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace mpsearch {
namespace {

using Group = Lanes<32>;

std::vector<float> random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = normal(random);
  return values;
}

constexpr std::int64_t kLengths[] = {0, 1, 7, 31, 32, 33, 64, 100, 1000, 4097};

TEST(Lanes, ASumIsNearTheFp64Sum) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_floats(n, 1);
    double want = 0;
    double magnitude = 0;
    for (const float value : x) {
      want += value;
      magnitude += std::fabs(value);
    }
    const float got = Group{}.reduce<Sum>(
        n, [](float v) { return v; }, x.data());
    EXPECT_NEAR(got, want, magnitude * 0x1p-24 * 16) << n;
  }
}

// What the threads of a CUDA block do, step by step: 16-byte loads, slots, shared memory across
// warps, shuffle-down in the first warp.
template <int threads, int slots>
float block_sum(const std::vector<float>& x) {
  std::vector<std::vector<float>> own(threads, std::vector<float>(slots, 0.0F));
  for (std::size_t i = 0; i < x.size(); ++i) own[i / slots % threads][i % slots] += x[i];
  std::vector<float> shared(threads);
  for (int t = 0; t < threads; ++t) {
    std::vector<float> s = own[static_cast<std::size_t>(t)];
    while (s.size() > 1) {
      const std::size_t half = s.size() / 2;
      for (std::size_t i = 0; i < half; ++i) s[i] += s[i + half];
      s.resize(half);
    }
    shared[static_cast<std::size_t>(t)] = s[0];
  }
  for (std::size_t step = threads / 2; step >= 32; step /= 2) {
    for (std::size_t t = 0; t < step; ++t) shared[t] += shared[t + step];
  }
  for (std::size_t offset = 16; offset > 0; offset /= 2) {
    for (std::size_t lane = 0; lane + offset < 32; ++lane) shared[lane] += shared[lane + offset];
  }
  return shared[0];
}

TEST(Lanes, TheOrderIsThatOfACudaBlock) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_floats(n, 2);
    const auto same = [](float v) { return v; };
    EXPECT_EQ((Lanes<32>{}.reduce<Sum>(n, same, x.data())), (block_sum<32, 1>(x))) << n;
    EXPECT_EQ((Lanes<256>{}.reduce<Sum>(n, same, x.data())), (block_sum<256, 1>(x))) << n;
    EXPECT_EQ((Lanes<256, 4>{}.reduce<Sum>(n, same, x.data())), (block_sum<64, 4>(x))) << n;
    EXPECT_EQ((Lanes<1024, 8>{}.reduce<Sum>(n, same, x.data())), (block_sum<128, 8>(x))) << n;
  }
}

TEST(Lanes, TwoFoldsInOnePassAreThoseOfTwoPasses) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_floats(n, 3);
    const std::vector<float> y = random_floats(n, 4);
    const auto both = Group{}.reduce2<Sum, Greatest>(
        n,
        [](float a, float b) {
          return Two{a * b, a - b};
        },
        x.data(), y.data());
    EXPECT_EQ(both.first, Group{}.reduce<Sum>(
                              n, [](float a, float b) { return a * b; }, x.data(), y.data()));
    EXPECT_EQ(both.second, Group{}.reduce<Greatest>(
                               n, [](float a, float b) { return a - b; }, x.data(), y.data()));
  }
}

TEST(Lanes, AMapWritesEveryOutputAndNothingBeyond) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_floats(n, 5);
    const auto size = static_cast<std::size_t>(n);
    std::vector<BF16> half(size + 1, BF16{0xABCD});
    std::vector<float> twice(size + 1, 77.0F);
    Group{}.map(
        n,
        [](float v) {
          return Values<2>{{v, 2.0F * v}};
        },
        Out{half.data(), twice.data()}, x.data());
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_EQ(half[i], to_bf16(x[i]));
      EXPECT_EQ(twice[i], 2.0F * x[i]);
    }
    EXPECT_EQ(half[size].bits, 0xABCD);
    EXPECT_EQ(twice[size], 77.0F);
  }
}

TEST(Lanes, AMapMayWriteItsInput) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_floats(n, 6);
    std::vector<float> y = x;
    Group{}.map(
        n, [](float v) { return v * v; }, Out{y.data()}, y.data());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], x[i] * x[i]);
  }
}

TEST(Lanes, BitsAreOneAnElementAndReadBackAsZeroOrOne) {
  for (const std::int64_t n : kLengths) {
    const std::vector<float> x = random_floats(n, 7);
    const auto bytes = static_cast<std::size_t>((n + 7) / 8);
    std::vector<std::uint8_t> mask(bytes + 1, 0xEE);
    Group{}.map(
        n, [](float v) { return v > 0 ? 1.0F : 0.0F; }, Out{Bits{mask.data()}}, x.data());
    for (std::size_t i = 0; i < 8 * bytes; ++i) {
      const bool bit = ((mask[i / 8] >> (i % 8)) & 1) != 0;
      EXPECT_EQ(bit, i < x.size() && x[i] > 0) << i;
    }
    EXPECT_EQ(mask[bytes], 0xEE);
    std::vector<float> y(x.size(), -1.0F);
    Group{}.map(
        n, [](float bit) { return bit; }, Out{y.data()}, ConstBits{mask.data()});
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], x[i] > 0 ? 1.0F : 0.0F);
  }
}

TEST(Lanes, ColumnsFoldInTheOrderOfTheirRows) {
  constexpr std::int64_t kRows = 37;
  for (const std::int64_t cols : {1, 3, 31, 32, 33, 64, 70}) {
    const std::vector<float> x = random_floats(kRows * cols, 8);
    const auto size = static_cast<std::size_t>(cols);
    std::vector<float> sum(size + 1, 5.0F);
    std::vector<float> last(size);
    Group{}.fold_columns(
        kRows, cols, Values<2>{{0.0F, -1.0F}},
        [](Values<2> state, std::int64_t k, float v) {
          return Values<2>{{state.v[0] + v, v > 0 ? static_cast<float>(k) : state.v[1]}};
        },
        [](Values<2> state) { return state; }, Out{sum.data(), last.data()},
        [&](std::int64_t k) { return x.data() + k * cols; });
    for (std::size_t c = 0; c < size; ++c) {
      float want = 0;
      float want_last = -1;
      for (std::size_t k = 0; k < kRows; ++k) {
        want += x[k * size + c];
        if (x[k * size + c] > 0) want_last = static_cast<float>(k);
      }
      EXPECT_EQ(sum[c], want);
      EXPECT_EQ(last[c], want_last);
    }
    EXPECT_EQ(sum[size], 5.0F);
  }
}

}  // namespace
}  // namespace mpsearch
