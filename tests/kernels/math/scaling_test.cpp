#include "kernels/math/scaling.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace mpsearch {
namespace {

TEST(LossScaler, FollowsTheTrace) {
  const LossScalerSettings settings{.interval = 3};
  LossScaler state = initial_state(settings);
  std::vector<float> trace;
  for (int step = 1; step <= 10; ++step) {
    state = next(state, settings, step == 1 || step == 2 || step == 6);
    trace.push_back(state.scale);
  }
  EXPECT_EQ(trace, (std::vector<float>{32768, 16384, 16384, 16384, 32768, 16384, 16384, 16384,
                                       32768, 32768}));
  EXPECT_EQ(state.skipped, 3);
}

TEST(LossScaler, HysteresisForgivesAnOverflowAndIsRefilledByAGoodStep) {
  const LossScalerSettings settings{.interval = 1000, .hysteresis = 2};
  LossScaler state = initial_state(settings);
  state = next(state, settings, true);
  EXPECT_EQ(state.scale, 65536);
  state = next(state, settings, false);
  state = next(state, settings, true);
  EXPECT_EQ(state.scale, 65536);
  state = next(state, settings, true);
  EXPECT_EQ(state.scale, 32768);
}

TEST(LossScaler, StaysBetweenFloorAndCap) {
  const LossScalerSettings settings{.initial = 4, .floor = 2, .cap = 8, .interval = 1};
  LossScaler state = initial_state(settings);
  for (int i = 0; i < 5; ++i) state = next(state, settings, false);
  EXPECT_EQ(state.scale, 8);
  for (int i = 0; i < 5; ++i) state = next(state, settings, true);
  EXPECT_EQ(state.scale, 2);
}

TEST(LossScaler, NeverGrowsToInfinity) {
  const LossScalerSettings settings{.initial = 0x1p127F, .interval = 1};
  EXPECT_EQ(next(initial_state(settings), settings, false).scale, 0x1p127F);
  EXPECT_EQ(unscale_factor(65536.0F), 0x1p-16F);
}

TEST(Fp8Scale, FollowsTheGoldens) {
  constexpr Fp8Scale kExact = Fp8Scale::Exact;
  constexpr Fp8Scale kPower = Fp8Scale::PowerOfTwo;
  EXPECT_FLOAT_EQ(fp8_scale<F8E4M3>(3, kExact), 149.33333F);
  EXPECT_EQ(fp8_scale<F8E4M3>(3, kPower), 128);
  EXPECT_FLOAT_EQ(fp8_scale<F8E5M2>(3, kExact), 19114.666F);
  EXPECT_EQ(fp8_scale<F8E5M2>(3, kPower), 16384);
  EXPECT_EQ(fp8_scale<F8E4M3>(7, kPower), 64);
  EXPECT_EQ(fp8_scale<F8E5M2>(7, kPower), 8192);
  EXPECT_EQ(fp8_scale<F8E4M3>(448, kPower), 1);
  EXPECT_EQ(fp8_scale<F8E5M2>(448, kPower), 128);
  EXPECT_FLOAT_EQ(fp8_scale<F8E4M3>(500, kExact), 0.896F);
  EXPECT_EQ(fp8_scale<F8E4M3>(500, kPower), 0.5F);
  EXPECT_FLOAT_EQ(fp8_scale<F8E5M2>(500, kExact), 114.688F);
  EXPECT_EQ(fp8_scale<F8E5M2>(500, kPower), 64);
}

TEST(Fp8Scale, OfNothingUsableIsOne) {
  for (const float amax :
       {0.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_EQ(fp8_scale<F8E4M3>(amax, Fp8Scale::PowerOfTwo), 1.0F);
    EXPECT_EQ(fp8_scale<F8E4M3>(amax, Fp8Scale::Exact), 1.0F);
  }
}

TEST(Fp8Scale, TheLargestValueNeverSaturatesAndTheScaleHasAnInverse) {
  for (float amax = 0x1p-149F; amax < 0x1p127F; amax = amax * 1.37F + 0x1p-149F) {
    const float exact = fp8_scale<F8E4M3>(amax, Fp8Scale::Exact);
    const float power = fp8_scale<F8E4M3>(amax, Fp8Scale::PowerOfTwo);
    EXPECT_LE(amax * power, 448.0F);
    EXPECT_LE(amax * exact, 448.0F * (1 + 0x1p-23F));
    EXPECT_GT(power * 2.0F, exact);
    EXPECT_EQ((1.0F / power) * power, 1.0F);
  }
}

}  // namespace
}  // namespace mpsearch
