#include "kernels/number/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/number/bf16.h"

namespace mpsearch {
namespace {

// The known answers that Random123 ships for philox4x32 with 10 rounds.
TEST(Philox, AgreesWithTheKnownAnswersOfItsAuthors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, 0, 0),
            (PhiloxWords{0x6627E8D5u, 0xE169C58Du, 0xBC57AC4Cu, 0x9B00DBD8u}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, ~0u, ~0u),
            (PhiloxWords{0x408F276Du, 0x41C83B0Eu, 0xA20BC7C6u, 0x6D5451FDu}));
  EXPECT_EQ(
      philox4x32({0x243F6A88u, 0x85A308D3u, 0x13198A2Eu, 0x03707344u}, 0xA4093822u, 0x299F31D0u),
      (PhiloxWords{0xD16CFE09u, 0x94FDCCEBu, 0x5001E420u, 0x24126EA1u}));
}

TEST(Philox, AnElementsWordIsTheOneOfItsBlock) {
  const RandomStream stream{.seed = 0x123456789ABCDEFull, .step = 77, .tensor = 5};
  for (std::uint32_t block = 0; block < 100; ++block) {
    const PhiloxWords words = random_block(stream, block);
    EXPECT_EQ(random_word(stream, 4ull * block), words.w0);
    EXPECT_EQ(random_word(stream, 4ull * block + 1), words.w1);
    EXPECT_EQ(random_word(stream, 4ull * block + 2), words.w2);
    EXPECT_EQ(random_word(stream, 4ull * block + 3), words.w3);
  }
}

TEST(Philox, EveryPartOfTheKeyChangesTheWords) {
  const RandomStream stream{.seed = 1, .step = 2, .tensor = 3};
  const std::uint32_t word = random_word(stream, 9);
  EXPECT_NE(word, random_word({1ull << 40, 2, 3}, 9));
  EXPECT_NE(word, random_word({1, 2ull << 40, 3}, 9));
  EXPECT_NE(word, random_word({1, 2, 4}, 9));
  EXPECT_NE(word, random_word(stream, 13));
}

TEST(Philox, UniformLiesInTheHalfOpenUnitInterval) {
  EXPECT_EQ(uniform(0), 0.0F);
  EXPECT_LT(uniform(~0u), 1.0F);
  double sum = 0;
  constexpr int kDraws = 1 << 20;
  const RandomStream stream{.seed = 4, .step = 0, .tensor = 0};
  for (int i = 0; i < kDraws; ++i) sum += uniform(random_word(stream, static_cast<unsigned>(i)));
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
}

TEST(StochasticRounding, IsUnbiasedAndPicksANeighbour) {
  constexpr int kDraws = 1 << 18;
  const RandomStream stream{.seed = 9, .step = 1, .tensor = 2};
  for (const float value : {1.001F, -3.14159F, 1e-39F, 12345.678F}) {
    const float below = float_from_bits(float_bits(value) & 0xFFFF0000u);
    const float above = float_from_bits((float_bits(value) & 0xFFFF0000u) + 0x10000u);
    double sum = 0;
    for (int i = 0; i < kDraws; ++i) {
      const float got =
          to_float(to_bf16_stochastic(value, random_word(stream, static_cast<unsigned>(i))));
      ASSERT_TRUE(got == below || got == above) << value;
      sum += got;
    }
    const double gap = std::fabs(static_cast<double>(above) - below);
    EXPECT_NEAR(sum / kDraws, value, 5 * 0.5 * gap / std::sqrt(kDraws)) << value;
  }
}

TEST(StochasticRounding, LeavesExactValuesAndNonFiniteOnesAlone) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_bf16_stochastic(1.5F, 0xFFFFu), to_bf16(1.5F));
  EXPECT_EQ(to_bf16_stochastic(kInf, 0xFFFFu), to_bf16(kInf));
  EXPECT_EQ(to_bf16_stochastic(float_from_bits(0x7F800001u), 0),
            to_bf16(float_from_bits(0x7F800001u)));
}

}  // namespace
}  // namespace mpsearch
