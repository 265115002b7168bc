// Functions of one element, their gradients written out by hand, and Dropout.
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/number/philox.h"
#include "kernels/step_state.h"
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// y = F(x) with the call's attributes.
template <auto F>
std::vector<Numbers> map(const Call& call) {
  Numbers y;
  for (const double x : call.inputs[0]) y.push_back(F(x, call));
  return {y};
}

/// y = F(x), mask = Passes(x).
template <auto F, auto Passes>
std::vector<Numbers> masked(const Call& call) {
  Numbers mask;
  for (const double x : call.inputs[0]) mask.push_back(Passes(x, call) ? 1 : 0);
  return {map<F>(call)[0], mask};
}

/// dx = dy Slope(saved) with the call's attributes.
template <auto Slope>
std::vector<Numbers> chain(const Call& call) {
  Numbers dx;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    dx.push_back(call.inputs[0][i] * Slope(call.inputs[1][i], call));
  }
  return {dx};
}

std::vector<Numbers> scale(const Call& call) {
  Numbers y;
  for (const double x : call.inputs[0]) y.push_back(call.number("factor", 1) * x);
  return {y};
}

/// Where F32 compares: the ratio is rounded to it.
std::vector<Numbers> dropout(const Call& call) {
  const auto inputs = record_of<StepInputs>(call.inputs[1]);
  const double ratio = call.number("ratio", 0.5);
  const RandomStream stream{.seed = inputs.seed,
                            .step = inputs.attempt,
                            .tensor = static_cast<std::uint32_t>(call.integer("stream", 0))};
  const Shape& shape = call.shape(0);
  const Shape strides = strides_of(call.call.inputs[0]);
  Numbers y, mask;
  for_each_index(shape, [&](const Shape& index) {
    std::int64_t place = 0;
    for (std::size_t d = 0; d < index.size(); ++d) place += index[d] * strides[d];
    const float drawn = uniform(random_word(stream, static_cast<std::uint64_t>(place)));
    const double kept = drawn >= static_cast<float>(ratio) ? 1 : 0;
    y.push_back(kept * call.inputs[0][position(shape, index)] / (1 - ratio));
    mask.push_back(kept);
  });
  return {y, mask};
}

std::vector<Numbers> dropout_grad(const Call& call) {
  Numbers dx;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    dx.push_back(call.inputs[0][i] * call.inputs[1][i] / (1 - call.number("ratio", 0.5)));
  }
  return {dx};
}

using F = double (*)(double, const Call&);

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::log1p(std::exp(x)); }
double alpha(const Call& call, double otherwise) { return call.number("alpha", otherwise); }
double gamma(const Call& call) { return call.number("gamma", 1.05070102214813232421875); }
double low(const Call& call) { return call.number("min", -kInf); }
double high(const Call& call) { return call.number("max", kInf); }
double line(double x, const Call& call) { return alpha(call, 0.2) * x + call.number("beta", 0.5); }
constexpr double kSelu = 1.67326319217681884765625;

/// tanh's argument in the approximated GELU, and its slope.
double gelu_inner(double x) { return std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x); }
double gelu_inner_slope(double x) { return std::sqrt(2 / kPi) * (1 + 3 * 0.044715 * x * x); }

// ONNX's definitions. Slopes are functions of what backward reads: mask, input or output.
constexpr F kRelu = [](double x, const Call&) { return x > 0 ? x : 0; };
constexpr F kPositive = [](double x, const Call&) { return x > 0 ? 1.0 : 0.0; };
constexpr F kMask = [](double mask, const Call&) { return mask; };
constexpr F kClip = [](double x, const Call& c) {
  return std::fmin(std::fmax(x, low(c)), high(c));
};
constexpr F kWithin = [](double x, const Call& c) {
  return x >= low(c) && x <= high(c) ? 1.0 : 0.0;
};
constexpr F kLeaky = [](double x, const Call& c) { return x > 0 ? x : alpha(c, 0.01) * x; };
constexpr F kLeakySlope = [](double mask, const Call& c) { return mask > 0 ? 1 : alpha(c, 0.01); };
constexpr F kHard = [](double x, const Call& c) { return std::fmin(std::fmax(line(x, c), 0), 1); };
constexpr F kHardWithin = [](double x, const Call& c) {
  return line(x, c) > 0 && line(x, c) < 1 ? 1.0 : 0.0;
};
constexpr F kHardSlope = [](double mask, const Call& c) { return mask * alpha(c, 0.2); };
constexpr F kHardSwish = [](double x, const Call&) {
  return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1);
};
constexpr F kHardSwishSlope = [](double x, const Call&) {
  return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
};
constexpr F kSigmoid = [](double x, const Call&) { return sigmoid(x); };
constexpr F kSigmoidSlope = [](double y, const Call&) { return y * (1 - y); };
constexpr F kTanh = [](double x, const Call&) { return std::tanh(x); };
constexpr F kTanhSlope = [](double y, const Call&) { return 1 - y * y; };
constexpr F kElu = [](double x, const Call& c) { return x > 0 ? x : alpha(c, 1) * std::expm1(x); };
constexpr F kEluSlope = [](double x, const Call& c) {
  return x > 0 ? 1 : alpha(c, 1) * std::exp(x);
};
constexpr F kSeluF = [](double x, const Call& c) {
  return gamma(c) * (x > 0 ? x : alpha(c, kSelu) * std::expm1(x));
};
constexpr F kSeluSlope = [](double x, const Call& c) {
  return gamma(c) * (x > 0 ? 1 : alpha(c, kSelu) * std::exp(x));
};
constexpr F kSoftplus = [](double x, const Call&) { return softplus(x); };
constexpr F kSoftplusSlope = [](double x, const Call&) { return sigmoid(x); };
constexpr F kGelu = [](double x, const Call&) { return x * (1 + std::erf(x / std::sqrt(2))) / 2; };
constexpr F kGeluSlope = [](double x, const Call&) {
  return (1 + std::erf(x / std::sqrt(2))) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * kPi);
};
constexpr F kGeluTanh = [](double x, const Call&) {
  return x * (1 + std::tanh(gelu_inner(x))) / 2;
};
constexpr F kGeluTanhSlope = [](double x, const Call&) {
  const double t = std::tanh(gelu_inner(x));
  return (1 + t) / 2 + x * (1 - t * t) * gelu_inner_slope(x) / 2;
};
constexpr F kSwish = [](double x, const Call& c) { return x * sigmoid(alpha(c, 1) * x); };
constexpr F kSwishSlope = [](double x, const Call& c) {
  const double s = sigmoid(alpha(c, 1) * x);
  return s + alpha(c, 1) * x * s * (1 - s);
};
constexpr F kMish = [](double x, const Call&) { return x * std::tanh(softplus(x)); };
constexpr F kMishSlope = [](double x, const Call&) {
  const double t = std::tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
};
constexpr F kExp = [](double x, const Call&) { return std::exp(x); };
constexpr F kLog = [](double x, const Call&) { return std::log(x); };
constexpr F kSqrt = [](double x, const Call&) { return std::sqrt(x); };
constexpr F kSqrtSlope = [](double y, const Call&) { return 1 / (2 * y); };
constexpr F kReciprocal = [](double x, const Call&) { return 1 / x; };
constexpr F kReciprocalSlope = [](double y, const Call&) { return -y * y; };
constexpr F kAbs = [](double x, const Call&) { return std::fabs(x); };
constexpr F kSign = [](double x, const Call&) { return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0; };
constexpr F kErf = [](double x, const Call&) { return std::erf(x); };
constexpr F kErfSlope = [](double x, const Call&) { return 2 / std::sqrt(kPi) * std::exp(-x * x); };
constexpr F kSin = [](double x, const Call&) { return std::sin(x); };
constexpr F kCos = [](double x, const Call&) { return std::cos(x); };
constexpr F kMinusSin = [](double x, const Call&) { return -std::sin(x); };
constexpr F kNeg = [](double x, const Call&) { return -x; };
constexpr F kItself = [](double y, const Call&) { return y; };

constexpr F kTan = [](double x, const Call&) { return std::tan(x); };
constexpr F kTanSlope = [](double y, const Call&) { return 1 + y * y; };
constexpr F kAsin = [](double x, const Call&) { return std::asin(x); };
constexpr F kAsinSlope = [](double x, const Call&) { return 1 / std::sqrt(1 - x * x); };
constexpr F kAcos = [](double x, const Call&) { return std::acos(x); };
constexpr F kAcosSlope = [](double x, const Call&) { return -1 / std::sqrt(1 - x * x); };
constexpr F kAtan = [](double x, const Call&) { return std::atan(x); };
constexpr F kAtanSlope = [](double x, const Call&) { return 1 / (1 + x * x); };
constexpr F kSinh = [](double x, const Call&) { return std::sinh(x); };
constexpr F kCosh = [](double x, const Call&) { return std::cosh(x); };
constexpr F kAsinh = [](double x, const Call&) { return std::asinh(x); };
constexpr F kAsinhSlope = [](double x, const Call&) { return 1 / std::sqrt(x * x + 1); };
constexpr F kAcosh = [](double x, const Call&) { return std::acosh(x); };
constexpr F kAcoshSlope = [](double x, const Call&) { return 1 / std::sqrt(x * x - 1); };
constexpr F kAtanh = [](double x, const Call&) { return std::atanh(x); };
constexpr F kAtanhSlope = [](double x, const Call&) { return 1 / (1 - x * x); };
constexpr F kSoftsign = [](double x, const Call&) { return x / (1 + std::fabs(x)); };
constexpr F kSoftsignSlope = [](double x, const Call&) { return std::pow(1 + std::fabs(x), -2); };
constexpr F kCelu = [](double x, const Call& c) {
  return x > 0 ? x : alpha(c, 1) * std::expm1(x / alpha(c, 1));
};
constexpr F kCeluSlope = [](double x, const Call& c) {
  return x > 0 ? 1 : std::exp(x / alpha(c, 1));
};
constexpr F kThresholded = [](double x, const Call& c) { return x > alpha(c, 1) ? x : 0; };
constexpr F kBeyond = [](double x, const Call& c) { return x > alpha(c, 1) ? 1.0 : 0.0; };
constexpr F kShrink = [](double x, const Call& c) {
  const double bias = c.number("bias", 0), limit = c.number("lambd", 0.5);
  return x < -limit ? x + bias : x > limit ? x - bias : 0;
};
constexpr F kOutside = [](double x, const Call& c) {
  return std::fabs(x) > c.number("lambd", 0.5) ? 1.0 : 0.0;
};
constexpr F kSquare = [](double x, const Call&) { return x * x; };
constexpr F kSquareSlope = [](double x, const Call&) { return 2 * x; };
constexpr F kFloor = [](double x, const Call&) { return std::floor(x); };
constexpr F kCeil = [](double x, const Call&) { return std::ceil(x); };
constexpr F kRound = [](double x, const Call&) { return std::nearbyint(x); };

std::vector<Numbers> sum2(const Call& call) {
  Numbers y;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    y.push_back(call.inputs[0][i] + call.inputs[1][i]);
  }
  return {y};
}

}  // namespace

std::vector<Definition> elementwise_definitions() {
  return {
      {"Relu", masked<kRelu, kPositive>},
      {"ReluGrad", chain<kMask>},
      {"Clip", masked<kClip, kWithin>},
      {"ClipGrad", chain<kMask>},
      {"LeakyRelu", masked<kLeaky, kPositive>},
      {"LeakyReluGrad", chain<kLeakySlope>},
      {"HardSigmoid", masked<kHard, kHardWithin>},
      {"HardSigmoidGrad", chain<kHardSlope>},
      {"HardSwish", map<kHardSwish>},
      {"HardSwishGrad", chain<kHardSwishSlope>},
      {"Sigmoid", map<kSigmoid>},
      {"SigmoidGrad", chain<kSigmoidSlope>},
      {"Tanh", map<kTanh>},
      {"TanhGrad", chain<kTanhSlope>},
      {"Elu", map<kElu>},
      {"EluGrad", chain<kEluSlope>},
      {"Selu", map<kSeluF>},
      {"SeluGrad", chain<kSeluSlope>},
      {"Softplus", map<kSoftplus>},
      {"SoftplusGrad", chain<kSoftplusSlope>},
      {"Gelu", map<kGelu>},
      {"GeluGrad", chain<kGeluSlope>},
      {"GeluTanh", map<kGeluTanh>},
      {"GeluTanhGrad", chain<kGeluTanhSlope>},
      {"Swish", map<kSwish>},
      {"SwishGrad", chain<kSwishSlope>},
      {"Mish", map<kMish>},
      {"MishGrad", chain<kMishSlope>},
      {"Exp", map<kExp>},
      {"ExpGrad", chain<kItself>},
      {"Log", map<kLog>},
      {"LogGrad", chain<kReciprocal>},
      {"Sqrt", map<kSqrt>},
      {"SqrtGrad", chain<kSqrtSlope>},
      {"Reciprocal", map<kReciprocal>},
      {"ReciprocalGrad", chain<kReciprocalSlope>},
      {"Abs", map<kAbs>},
      {"AbsGrad", chain<kSign>},
      {"Erf", map<kErf>},
      {"ErfGrad", chain<kErfSlope>},
      {"Sin", map<kSin>},
      {"SinGrad", chain<kCos>},
      {"Cos", map<kCos>},
      {"CosGrad", chain<kMinusSin>},
      {"Tan", map<kTan>},
      {"TanGrad", chain<kTanSlope>},
      {"Asin", map<kAsin>},
      {"AsinGrad", chain<kAsinSlope>},
      {"Acos", map<kAcos>},
      {"AcosGrad", chain<kAcosSlope>},
      {"Atan", map<kAtan>},
      {"AtanGrad", chain<kAtanSlope>},
      {"Sinh", map<kSinh>},
      {"SinhGrad", chain<kCosh>},
      {"Cosh", map<kCosh>},
      {"CoshGrad", chain<kSinh>},
      {"Asinh", map<kAsinh>},
      {"AsinhGrad", chain<kAsinhSlope>},
      {"Acosh", map<kAcosh>},
      {"AcoshGrad", chain<kAcoshSlope>},
      {"Atanh", map<kAtanh>},
      {"AtanhGrad", chain<kAtanhSlope>},
      {"Softsign", map<kSoftsign>},
      {"SoftsignGrad", chain<kSoftsignSlope>},
      {"Celu", map<kCelu>},
      {"CeluGrad", chain<kCeluSlope>},
      {"ThresholdedRelu", masked<kThresholded, kBeyond>},
      {"ThresholdedReluGrad", chain<kMask>},
      {"Shrink", masked<kShrink, kOutside>},
      {"ShrinkGrad", chain<kMask>},
      {"Square", map<kSquare>},
      {"SquareGrad", chain<kSquareSlope>},
      {"Sign", map<kSign>},
      {"Floor", map<kFloor>},
      {"Ceil", map<kCeil>},
      {"Round", map<kRound>},
      {"Neg", map<kNeg>},
      {"Scale", scale},
      {"Sum2", sum2},
      {"Dropout", dropout},
      {"DropoutGrad", dropout_grad},
  };
}

}  // namespace mpsearch::reference
