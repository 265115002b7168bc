#include "kernels/math/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>

namespace mpsearch {
namespace {

constexpr double kSqrt2 = 1.4142135623730951;
constexpr double kPi = 3.141592653589793;

double sigmoid64(double x) { return 1 / (1 + std::exp(-x)); }

// The definitions of ONNX in FP64, with the attributes that the functors default to, and the domain
// in which they are tried.
struct Definition {
  std::function<double(double)> f;
  double low = -6;
  double high = 6;
};

const std::map<std::string, Definition>& unary_definitions() {
  static const std::map<std::string, Definition> table{
      {"Relu", {[](double x) { return std::max(x, 0.0); }}},
      {"LeakyRelu", {[](double x) { return x < 0 ? 0.01F * x : x; }}},
      {"Clip", {[](double x) { return std::clamp(x, -1.5, 2.5); }}},
      {"HardSigmoid", {[](double x) { return std::clamp(0.2F * x + 0.5, 0.0, 1.0); }}},
      {"HardSwish", {[](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }}},
      {"Sigmoid", {sigmoid64, -80, 80}},
      {"Tanh", {[](double x) { return std::tanh(x); }}},
      {"Elu", {[](double x) { return x < 0 ? std::expm1(x) : x; }}},
      {"Selu", {[](double x) {
         return 1.0507009873554804934193349852946 *
                (x < 0 ? 1.6732632423543772848170429916717 * std::expm1(x) : x);
       }}},
      {"Softplus", {[](double x) { return std::log1p(std::exp(x)); }, -80, 80}},
      {"Gelu", {[](double x) { return x * (1 + std::erf(x / kSqrt2)) / 2; }}},
      {"GeluTanh", {[](double x) {
         return x / 2 * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
       }}},
      {"Swish", {[](double x) { return x * sigmoid64(x); }, -80, 80}},
      {"Mish", {[](double x) { return x * std::tanh(std::log1p(std::exp(x))); }, -80, 80}},
      {"Exp", {[](double x) { return std::exp(x); }, -80, 80}},
      {"Log", {[](double x) { return std::log(x); }, 1e-3, 100}},
      {"Sqrt", {[](double x) { return std::sqrt(x); }, 1e-3, 100}},
      {"Reciprocal", {[](double x) { return 1 / x; }, 0.01, 100}},
      {"Neg", {[](double x) { return -x; }}},
      {"Abs", {[](double x) { return std::fabs(x); }}},
      {"Erf", {[](double x) { return std::erf(x); }}},
      {"Sin", {[](double x) { return std::sin(x); }, -50, 50}},
      {"Cos", {[](double x) { return std::cos(x); }, -50, 50}}};
  return table;
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
    const Definition& definition = unary_definitions().at(F::kName);
    const F f = functor<F>();
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform(static_cast<float>(definition.low),
                                                  static_cast<float>(definition.high));
    for (int i = 0; i < 2000; ++i) {
      const float x = uniform(random);
      expect_close(f.forward(x), definition.f(x), std::min(std::fabs(x), 1.0F),
                   std::string(F::kName) + " at " + std::to_string(x));
    }
  });
}

TEST(Elementwise, EveryUnaryGradientIsTheSlopeOfTheDefinition) {
  UnaryOps::for_each([]<class F> {
    const Definition& definition = unary_definitions().at(F::kName);
    const F f = functor<F>();
    std::mt19937 random(4);
    std::uniform_real_distribution<float> uniform(static_cast<float>(definition.low),
                                                  static_cast<float>(definition.high));
    for (int i = 0; i < 2000; ++i) {
      const float x = uniform(random);
      const double want = slope(definition.f, x);
      // Not across a kink: there the two one-sided slopes differ.
      const double h = 1e-4 * std::max(1.0F, std::fabs(x));
      if (std::fabs(slope(definition.f, x + h) - slope(definition.f, x - h)) >
          0.01 + 0.01 * std::fabs(want))
        continue;
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

const std::map<std::string, std::function<double(double, double)>>& binary_definitions() {
  static const std::map<std::string, std::function<double(double, double)>> table{
      {"Add", [](double a, double b) { return a + b; }},
      {"Sub", [](double a, double b) { return a - b; }},
      {"Mul", [](double a, double b) { return a * b; }},
      {"Div", [](double a, double b) { return a / b; }},
      {"Min", [](double a, double b) { return std::min(a, b); }},
      {"Max", [](double a, double b) { return std::max(a, b); }},
      {"Pow", [](double a, double b) { return std::pow(a, b); }},
      {"PRelu", [](double a, double b) { return a < 0 ? a * b : a; }}};
  return table;
}

TEST(Elementwise, EveryBinaryOpAndItsGradientsFollowTheDefinition) {
  BinaryOps::for_each([]<class F> {
    const auto& definition = binary_definitions().at(F::kName);
    std::mt19937 random(5);
    const bool positive = std::string(F::kName) == "Pow";
    std::uniform_real_distribution<float> uniform(positive ? 0.1F : -4.0F, 4.0F);
    for (int i = 0; i < 2000; ++i) {
      const float a = uniform(random);
      const float b = uniform(random);
      if (std::fabs(b) < 0.05F || std::fabs(a) < 1e-3F || std::fabs(a - b) < 1e-3F) continue;
      const std::string what =
          std::string(F::kName) + " at " + std::to_string(a) + ", " + std::to_string(b);
      expect_close(F{}.forward(a, b), definition(a, b), 0, what);
      const double da = slope([&](double v) { return definition(v, b); }, a);
      const double db = slope([&](double v) { return definition(a, v); }, b);
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
