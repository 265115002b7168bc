// The element-wise functors against the registry's FP64 definitions.
#include "kernels/math/binary.h"
#include "kernels/math/unary.h"
#include "models/op.h"
#include "tests/support/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace mpsearch {
namespace {

// ONNX's definition, with the attributes that the functors default to.
double definition(const char* op, std::vector<double> inputs) {
  KernelCall call{op, {}, std::vector<TensorType>(inputs.size()), {{}}};
  if (call.op == "Clip") call.attributes = {{"min", -1.5}, {"max", 2.5}};
  std::vector<reference::Numbers> numbers;
  for (const double input : inputs) numbers.push_back({input});
  return reference::evaluate(call, numbers)[0][0];
}

// Where a function is tried: as far as it goes, unless it is defined or tame on a part alone.
std::pair<float, float> domain(const std::string& op) {
  static const std::map<std::string, std::pair<float, float>> kOthers{
      {"Sigmoid", {-80, 80}},  {"Softplus", {-80, 80}},    {"Swish", {-80, 80}},
      {"Mish", {-80, 80}},     {"Exp", {-80, 80}},         {"Log", {1e-3F, 100}},
      {"Sqrt", {1e-3F, 100}},  {"Sin", {-50, 50}},         {"Reciprocal", {0.01F, 100}},
      {"Cos", {-50, 50}},      {"Tan", {-1.4F, 1.4F}},     {"Asin", {-0.99F, 0.99F}},
      {"Acos", {-0.9F, 0.9F}}, {"Atan", {-50, 50}},        {"Asinh", {-500, 500}},
      {"Acosh", {1.01F, 500}}, {"Atanh", {-0.99F, 0.99F}}, {"Sinh", {-30, 30}},
      {"Cosh", {-30, 30}}};
  const auto found = kOthers.find(op);
  if (found != kOthers.end()) return found->second;
  const OpSample sample = find_op(op)->samples().front();  // from -2 on: defined everywhere
  if (sample.low <= -2) return {-6, 6};
  return {static_cast<float>(sample.low), static_cast<float>(sample.high)};
}

template <class F>
F functor() {
  return F{};
}
template <>
Clip functor<Clip>() {
  const float bounds[] = {-1.5F, 2.5F};
  return make<Clip>(bounds);
}

// An error of a few roundings of the result, or of an intermediate value of about `scale`.
void expect_close(double got, double want, double scale, const std::string& what) {
  EXPECT_LE(std::fabs(got - want), 0x1p-24 * (8 * std::fabs(want) + 4 * scale)) << what;
}

double slope(const std::function<double(double)>& f, double x) {
  const double h = 3e-6 * std::max(1.0, std::fabs(x));
  return (f(x + h) - f(x - h)) / (2 * h);
}

TEST(Elementwise, EveryUnaryOpFollowsItsDefinition) {
  UnaryOps::for_each([]<class F> {
    const F f = functor<F>();
    std::mt19937 random(3);
    const auto [low, high] = domain(F::kName);
    std::uniform_real_distribution<float> uniform(low, high);
    for (int i = 0; i < 2000; ++i) {
      const float x = uniform(random);
      expect_close(f.forward(x), definition(F::kName, {x}), std::min(std::fabs(x), 1.0F),
                   std::string(F::kName) + " at " + std::to_string(x));
    }
  });
}

TEST(Elementwise, EveryUnaryGradientIsTheSlopeOfTheDefinition) {
  UnaryOps::for_each([]<class F> {
    const F f = functor<F>();
    std::mt19937 random(4);
    const auto [low, high] = domain(F::kName);
    std::uniform_real_distribution<float> uniform(low, high);
    const auto of = [](double v) { return definition(F::kName, {v}); };
    for (int i = 0; i < 2000; ++i) {
      const float x = uniform(random);
      const double want = slope(of, x);
      // Not across a kink: there the two one-sided slopes differ.
      const double h = 1e-4 * std::max(1.0F, std::fabs(x));
      if (std::fabs(slope(of, x + h) - slope(of, x - h)) > 0.01 + 0.01 * std::fabs(want)) continue;
      float saved = 0;
      if constexpr (F::kSaves == Saves::Mask) saved = f.mask(x);
      if constexpr (F::kSaves == Saves::Input) saved = x;
      if constexpr (F::kSaves == Saves::Output) saved = f.forward(x);
      const double got = f.backward(2.5F, saved) / 2.5;
      EXPECT_NEAR(got, want, 1e-6 + 2e-6 * std::fabs(want)) << F::kName << " at " << x;
    }
  });
}

TEST(Elementwise, NaNStaysNaN) {
  UnaryOps::for_each(
      []<class F> { EXPECT_TRUE(std::isnan(functor<F>().forward(std::nanf("")))) << F::kName; });
  BinaryOps::for_each([]<class F> {
    EXPECT_TRUE(std::isnan(F{}.forward(std::nanf(""), 2.0F))) << F::kName;
    EXPECT_TRUE(std::isnan(F{}.forward(-2.0F, std::nanf("")))) << F::kName;
  });
}

TEST(Elementwise, SaturatingFunctionsReachTheirLimits) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Sigmoid{}.forward(-kInf), 0.0F);
  EXPECT_EQ(Sigmoid{}.forward(kInf), 1.0F);
  EXPECT_EQ(Tanh{}.forward(-kInf), -1.0F);
  EXPECT_EQ(Softplus{}.forward(-kInf), 0.0F);
  EXPECT_EQ(Softplus{}.forward(kInf), kInf);
  EXPECT_EQ(Mish{}.forward(1e30F), 1e30F);
  EXPECT_EQ(Elu{}.forward(-kInf), -1.0F);
  EXPECT_EQ(Gelu{}.forward(1e30F), 1e30F);
  EXPECT_EQ(Gelu{}.backward(1.0F, 1e30F), 1.0F);
  EXPECT_EQ(GeluTanh{}.forward(100.0F), 100.0F);
  EXPECT_EQ(Swish{}.backward(1.0F, 1e4F), 1.0F);
}

TEST(Elementwise, EveryBinaryOpAndItsGradientsFollowTheDefinition) {
  BinaryOps::for_each([]<class F> {
    const auto of = [](double a, double b) { return definition(F::kName, {a, b}); };
    std::mt19937 random(5);
    const bool positive = std::string(F::kName) == "Pow";
    std::uniform_real_distribution<float> uniform(positive ? 0.1F : -4.0F, 4.0F);
    for (int i = 0; i < 2000; ++i) {
      const float a = uniform(random);
      const float b = uniform(random);
      if (std::fabs(b) < 0.05F || std::fabs(a) < 1e-3F || std::fabs(a - b) < 1e-3F) continue;
      const std::string what =
          std::string(F::kName) + " at " + std::to_string(a) + ", " + std::to_string(b);
      expect_close(F{}.forward(a, b), of(a, b), 0, what);
      const double da = slope([&](double v) { return of(v, b); }, a);
      const double db = slope([&](double v) { return of(a, v); }, b);
      EXPECT_NEAR(F{}.backward_a(0.5F, a, b) / 0.5, da, 1e-6 + 2e-6 * std::fabs(da)) << what;
      EXPECT_NEAR(F{}.backward_b(0.5F, a, b) / 0.5, db, 1e-6 + 2e-6 * std::fabs(db)) << what;
    }
  });
}

TEST(Elementwise, PowOfANegativeBaseHasItsGradient) {
  EXPECT_FLOAT_EQ(Pow{}.backward_a(1.0F, -3.0F, 2.0F), -6.0F);
  EXPECT_EQ(Pow{}.backward_a(1.0F, 0.0F, 2.0F), 0.0F);
  EXPECT_EQ(Pow{}.backward_b(1.0F, 0.0F, 2.0F), 0.0F);
  EXPECT_EQ(Pow{}.backward_a(1.0F, 0.0F, 0.0F), 0.0F);
}

}  // namespace
}  // namespace mpsearch
