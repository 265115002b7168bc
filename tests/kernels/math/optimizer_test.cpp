#include "kernels/math/optimizer.h"

#include <gtest/gtest.h>

#include <array>

namespace mpsearch {
namespace {

constexpr std::array<float, 3> kGradients{0.5F, -0.25F, 0.125F};

// FP32 arithmetic on values near 1: a rounding or two a step.
constexpr double kNear = 2e-7;

void expect_sgd(Sgd sgd, std::array<double, 3> want) {
  float w = 1.0F;
  float buffer = 123.0F;  // must not be read by the first step
  for (std::size_t step = 0; step < 3; ++step) {
    sgd.first = step == 0 ? 1 : 0;
    const Values<2> next = sgd.step(w, kGradients[step], buffer);
    w = next.v[0];
    buffer = next.v[1];
    EXPECT_NEAR(w, want[step], kNear) << "step " << step + 1;
  }
}

TEST(Optimizer, SgdFollowsTheGoldens) {
  expect_sgd({.lr = 0.1F,
              .momentum = 0.9F,
              .keep = 1.0F,
              .weight_decay = 0.01F,
              .nesterov = 0,
              .first = 0},
             {0.949, 0.927151, 0.894059749});
  expect_sgd({.lr = 0.1F,
              .momentum = 0.9F,
              .keep = 1.0F,
              .weight_decay = 0.01F,
              .nesterov = 1,
              .first = 0},
             {0.9031, 0.90757411, 0.864439208191});
  expect_sgd({.lr = 0.1F,
              .momentum = 0.9F,
              .keep = 0.5F,
              .weight_decay = 0.01F,
              .nesterov = 0,
              .first = 0},
             {0.949, 0.9151255, 0.87793088725});
}

TEST(Optimizer, SgdWithoutMomentumIsTheSameAsWithMomentumZero) {
  const Sgd sgd{
      .lr = 0.1F, .momentum = 0.0F, .keep = 1.0F, .weight_decay = 0.01F, .nesterov = 0, .first = 0};
  EXPECT_EQ(sgd.step(0.7F, 0.3F), sgd.step(0.7F, 0.3F, 5.0F).v[0]);
}

void expect_adam(const AdamSettings& settings, std::array<double, 3> want) {
  Values<3> state{{1.0F, 0.0F, 0.0F}};
  for (std::size_t step = 0; step < 3; ++step) {
    const Adam adam = Adam::at_step(settings, static_cast<double>(step + 1));
    state = adam.step(state.v[0], kGradients[step], state.v[1], state.v[2]);
    EXPECT_NEAR(state.v[0], want[step], kNear) << "step " << step + 1;
  }
}

TEST(Optimizer, AdamFollowsTheGoldens) {
  expect_adam({.weight_decay = 0.01}, {0.9990000000196, 0.9987107702255, 0.9983444456763});
}

TEST(Optimizer, AdamWFollowsTheGoldens) {
  expect_adam({.weight_decay = 0.01, .decoupled = true},
              {0.99899000002, 0.9987136730871, 0.9983632568124});
}

// Long runs against the formulas in FP64, where a wrong bias correction would show.
TEST(Optimizer, AThousandAdamStepsStayNearFp64) {
  const AdamSettings s{.lr = 1e-2, .weight_decay = 0.1, .decoupled = true};
  Values<3> state{{0.5F, 0.0F, 0.0F}};
  double w = 0.5;
  double m = 0;
  double v = 0;
  for (int t = 1; t <= 1000; ++t) {
    const float g = static_cast<float>((t * 37 % 101) - 50) / 50.0F;
    state = Adam::at_step(s, t).step(state.v[0], g, state.v[1], state.v[2]);
    m = s.beta1 * m + (1 - s.beta1) * g;
    v = s.beta2 * v + (1 - s.beta2) * g * g;
    const double c1 = 1 - std::pow(s.beta1, t);
    const double c2 = 1 - std::pow(s.beta2, t);
    w = w * (1 - s.lr * s.weight_decay) -
        s.lr / c1 * m / (std::sqrt(v) / std::sqrt(c2) + s.epsilon);
  }
  EXPECT_NEAR(state.v[0], w, 2e-5);
}

TEST(Optimizer, ClippingOnlyEverShrinks) {
  EXPECT_EQ(clip_coefficient(0.5F, 1.0F), 1.0F);
  EXPECT_EQ(clip_coefficient(0.0F, 1.0F), 1.0F);
  EXPECT_FLOAT_EQ(clip_coefficient(4.0F, 1.0F), 1.0F / 4.000001F);
}

}  // namespace
}  // namespace mpsearch
