// Element-wise functions of one value, forward beside backward. `kName` is ONNX's operator
// (GeluTanh: its attribute), `kSaves` says what backward(dy, saved) reads, parameters are ONNX's
// attributes.
#pragma once

#include <cmath>

#include "kernels/math/elementwise.h"
#include "kernels/math/transcendental.h"

namespace mpsearch {

/// What an element-wise op keeps for backward. Mask: one bit an element, written from
/// F::mask(x); an op that saves a mask reads 0 or 1 in backward.
enum class Saves : unsigned char { Nothing, Mask, Input, Output };

struct Relu {
  static constexpr const char* kName = "Relu";
  static constexpr Saves kSaves = Saves::Mask;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return x <= 0.0F ? 0.0F : x; }
  MPSEARCH_HD float mask(float x) const { return x <= 0.0F ? 0.0F : 1.0F; }
  MPSEARCH_HD float backward(float dy, float mask) const { return mask != 0.0F ? dy : 0.0F; }
};

struct LeakyRelu {
  static constexpr const char* kName = "LeakyRelu";
  static constexpr Saves kSaves = Saves::Mask;
  static constexpr int kParameters = 1;
  float alpha = 0.01F;
  MPSEARCH_HD float forward(float x) const { return x <= 0.0F ? alpha * x : x; }
  MPSEARCH_HD float mask(float x) const { return x <= 0.0F ? 0.0F : 1.0F; }
  MPSEARCH_HD float backward(float dy, float mask) const { return mask != 0.0F ? dy : alpha * dy; }
};

/// At a bound the gradient passes, as in PyTorch.
struct Clip {
  static constexpr const char* kName = "Clip";
  static constexpr Saves kSaves = Saves::Mask;
  static constexpr int kParameters = 2;
  float low = -__builtin_inff();
  float high = __builtin_inff();
  MPSEARCH_HD float forward(float x) const { return math::at_most(math::at_least(x, low), high); }
  MPSEARCH_HD float mask(float x) const { return x < low || x > high ? 0.0F : 1.0F; }
  MPSEARCH_HD float backward(float dy, float mask) const { return mask != 0.0F ? dy : 0.0F; }
};

struct HardSigmoid {
  static constexpr const char* kName = "HardSigmoid";
  static constexpr Saves kSaves = Saves::Mask;
  static constexpr int kParameters = 2;
  float alpha = 0.2F;
  float beta = 0.5F;
  MPSEARCH_HD float forward(float x) const {
    return math::at_most(math::at_least(alpha * x + beta, 0.0F), 1.0F);
  }
  MPSEARCH_HD float mask(float x) const {
    const float line = alpha * x + beta;
    return line <= 0.0F || line >= 1.0F ? 0.0F : 1.0F;
  }
  MPSEARCH_HD float backward(float dy, float mask) const {
    return mask != 0.0F ? alpha * dy : 0.0F;
  }
};

struct HardSwish {
  static constexpr const char* kName = "HardSwish";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const {
    return x * math::at_most(math::at_least(x / 6.0F + 0.5F, 0.0F), 1.0F);
  }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float inside = dy * (x / 3.0F + 0.5F);
    const float left = x <= -3.0F ? 0.0F : inside;
    return x >= 3.0F ? dy : left;
  }
};

struct Sigmoid {
  static constexpr const char* kName = "Sigmoid";
  static constexpr Saves kSaves = Saves::Output;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::sigmoid(x); }
  MPSEARCH_HD float backward(float dy, float y) const { return dy * (y * (1.0F - y)); }
};

struct Tanh {
  static constexpr const char* kName = "Tanh";
  static constexpr Saves kSaves = Saves::Output;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::tanh(x); }
  MPSEARCH_HD float backward(float dy, float y) const { return dy * (1.0F - y * y); }
};

/// Saves its input: with a negative alpha the output does not tell the branch.
struct Elu {
  static constexpr const char* kName = "Elu";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 1;
  float alpha = 1.0F;
  MPSEARCH_HD float forward(float x) const { return x <= 0.0F ? alpha * math::expm1(x) : x; }
  MPSEARCH_HD float backward(float dy, float x) const {
    return x <= 0.0F ? dy * (alpha * math::exp(x)) : dy;
  }
};

struct Selu {
  static constexpr const char* kName = "Selu";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 2;
  float alpha = 1.67326319217681884765625F;
  float gamma = 1.05070102214813232421875F;
  MPSEARCH_HD float forward(float x) const {
    return gamma * (x <= 0.0F ? alpha * math::expm1(x) : x);
  }
  MPSEARCH_HD float backward(float dy, float x) const {
    return gamma * (x <= 0.0F ? dy * (alpha * math::exp(x)) : dy);
  }
};

struct Softplus {
  static constexpr const char* kName = "Softplus";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const {
    return (x < 0.0F ? 0.0F : x) + math::log1p(math::exp(-math::abs(x)));
  }
  MPSEARCH_HD float backward(float dy, float x) const { return dy * math::sigmoid(x); }
};

struct Gelu {
  static constexpr const char* kName = "Gelu";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD static float half_one_plus_erf(float x) {
    return 0.5F + 0.5F * math::erf(x * 0x1.6a09e6p-1F);  // x / sqrt 2
  }
  MPSEARCH_HD float forward(float x) const { return x * half_one_plus_erf(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float density = 0x1.988454p-2F * math::exp(-0.5F * (x * x));  // 1 / sqrt(2 pi)
    return dy * math::fma(x, density, half_one_plus_erf(x));
  }
};

struct GeluTanh {
  static constexpr const char* kName = "GeluTanh";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return x * math::sigmoid(2.0F * inner(x)); }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float s = math::sigmoid(2.0F * inner(x));  // (1 + tanh(inner)) / 2
    const float slope = kScale * (1.0F + 3.0F * kCubic * (x * x));
    return dy * (s + 2.0F * x * (s * (1.0F - s)) * slope);
  }

 private:
  static constexpr float kScale = 0x1.988454p-1F;  // sqrt(2 / pi)
  static constexpr float kCubic = 0.044715F;
  MPSEARCH_HD static float inner(float x) { return kScale * (x + kCubic * (x * x * x)); }
};

/// x sigmoid(alpha x); SiLU at alpha 1.
struct Swish {
  static constexpr const char* kName = "Swish";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 1;
  float alpha = 1.0F;
  MPSEARCH_HD float forward(float x) const { return x * math::sigmoid(alpha * x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float s = math::sigmoid(alpha * x);
    return dy * (s + alpha * x * (s * (1.0F - s)));
  }
};

/// x tanh(softplus(x)).
struct Mish {
  static constexpr const char* kName = "Mish";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return x * gate(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float t = gate(x);
    return dy * (t + x * ((1.0F - t * t) * math::sigmoid(x)));
  }

 private:
  // tanh(log(1 + e^x)) = e (e + 2) / (e (e + 2) + 2).
  MPSEARCH_HD static float gate(float x) {
    const float e = math::exp(math::at_most(x, 30.0F));
    const float n = e * (e + 2.0F);
    return n / (n + 2.0F);
  }
};

struct Exp {
  static constexpr const char* kName = "Exp";
  static constexpr Saves kSaves = Saves::Output;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::exp(x); }
  MPSEARCH_HD float backward(float dy, float y) const { return dy * y; }
};

struct Log {
  static constexpr const char* kName = "Log";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::log(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy / x; }
};

struct Sqrt {
  static constexpr const char* kName = "Sqrt";
  static constexpr Saves kSaves = Saves::Output;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return ::sqrtf(x); }
  MPSEARCH_HD float backward(float dy, float y) const { return 0.5F * dy / y; }
};

struct Reciprocal {
  static constexpr const char* kName = "Reciprocal";
  static constexpr Saves kSaves = Saves::Output;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return 1.0F / x; }
  MPSEARCH_HD float backward(float dy, float y) const { return -dy * (y * y); }
};

struct Neg {
  static constexpr const char* kName = "Neg";
  static constexpr Saves kSaves = Saves::Nothing;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return -x; }
  MPSEARCH_HD float backward(float dy, float /*unused*/) const { return -dy; }
};

struct Abs {
  static constexpr const char* kName = "Abs";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::abs(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float left = x < 0.0F ? -dy : 0.0F;
    return x > 0.0F ? dy : left;
  }
};

struct Erf {
  static constexpr const char* kName = "Erf";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::erf(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    return dy * (0x1.20dd76p+0F * math::exp(-(x * x)));  // 2 / sqrt(pi)
  }
};

struct Sin {
  static constexpr const char* kName = "Sin";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::sin(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy * math::cos(x); }
};

struct Cos {
  static constexpr const char* kName = "Cos";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::cos(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return -dy * math::sin(x); }
};

struct Tan {
  static constexpr const char* kName = "Tan";
  static constexpr Saves kSaves = Saves::Output;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::sin(x) / math::cos(x); }
  MPSEARCH_HD float backward(float dy, float y) const { return dy * (1.0F + y * y); }
};

struct Asin {
  static constexpr const char* kName = "Asin";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::asin(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    return dy / ::sqrtf((1.0F - x) * (1.0F + x));
  }
};

struct Acos {
  static constexpr const char* kName = "Acos";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::acos(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    return -dy / ::sqrtf((1.0F - x) * (1.0F + x));
  }
};

struct Atan {
  static constexpr const char* kName = "Atan";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::atan(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy / (1.0F + x * x); }
};

struct Sinh {
  static constexpr const char* kName = "Sinh";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::sinh(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy * math::cosh(x); }
};

struct Cosh {
  static constexpr const char* kName = "Cosh";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::cosh(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy * math::sinh(x); }
};

struct Asinh {
  static constexpr const char* kName = "Asinh";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::asinh(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy / ::sqrtf(x * x + 1.0F); }
};

struct Acosh {
  static constexpr const char* kName = "Acosh";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::acosh(x); }
  MPSEARCH_HD float backward(float dy, float x) const {
    return dy / ::sqrtf((x - 1.0F) * (x + 1.0F));
  }
};

struct Atanh {
  static constexpr const char* kName = "Atanh";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::atanh(x); }
  MPSEARCH_HD float backward(float dy, float x) const { return dy / ((1.0F - x) * (1.0F + x)); }
};

struct Softsign {
  static constexpr const char* kName = "Softsign";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return x / (1.0F + math::abs(x)); }
  MPSEARCH_HD float backward(float dy, float x) const {
    const float below = 1.0F + math::abs(x);
    return dy / (below * below);
  }
};

struct Celu {
  static constexpr const char* kName = "Celu";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 1;
  float alpha = 1.0F;
  MPSEARCH_HD float forward(float x) const {
    return x <= 0.0F ? alpha * math::expm1(x / alpha) : x;
  }
  MPSEARCH_HD float backward(float dy, float x) const {
    return x <= 0.0F ? dy * math::exp(x / alpha) : dy;
  }
};

struct ThresholdedRelu {
  static constexpr const char* kName = "ThresholdedRelu";
  static constexpr Saves kSaves = Saves::Mask;
  static constexpr int kParameters = 1;
  float alpha = 1.0F;
  MPSEARCH_HD float forward(float x) const { return x <= alpha ? 0.0F : x; }
  MPSEARCH_HD float mask(float x) const { return x <= alpha ? 0.0F : 1.0F; }
  MPSEARCH_HD float backward(float dy, float mask) const { return mask != 0.0F ? dy : 0.0F; }
};

struct Shrink {
  static constexpr const char* kName = "Shrink";
  static constexpr Saves kSaves = Saves::Mask;
  static constexpr int kParameters = 2;
  float bias = 0.0F;
  float lambd = 0.5F;  // ONNX's spelling
  MPSEARCH_HD float forward(float x) const {
    const float moved = x < 0.0F ? x + bias : x - bias;
    return math::abs(x) <= lambd ? 0.0F : moved;
  }
  MPSEARCH_HD float mask(float x) const { return math::abs(x) <= lambd ? 0.0F : 1.0F; }
  MPSEARCH_HD float backward(float dy, float mask) const { return mask != 0.0F ? dy : 0.0F; }
};

/// x^2, as powers and variances have it.
struct Square {
  static constexpr const char* kName = "Square";
  static constexpr Saves kSaves = Saves::Input;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return x * x; }
  MPSEARCH_HD float backward(float dy, float x) const { return 2.0F * dy * x; }
};

// Steps: their gradient is 0 wherever there is one.
struct Sign {
  static constexpr const char* kName = "Sign";
  static constexpr Saves kSaves = Saves::Nothing;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const {
    const float left = x < 0.0F ? -1.0F : x;
    return x > 0.0F ? 1.0F : left;
  }
  MPSEARCH_HD float backward(float /*dy*/, float /*unused*/) const { return 0.0F; }
};

struct Floor {
  static constexpr const char* kName = "Floor";
  static constexpr Saves kSaves = Saves::Nothing;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::floor(x); }
  MPSEARCH_HD float backward(float /*dy*/, float /*unused*/) const { return 0.0F; }
};

struct Ceil {
  static constexpr const char* kName = "Ceil";
  static constexpr Saves kSaves = Saves::Nothing;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::ceil(x); }
  MPSEARCH_HD float backward(float /*dy*/, float /*unused*/) const { return 0.0F; }
};

struct Round {
  static constexpr const char* kName = "Round";
  static constexpr Saves kSaves = Saves::Nothing;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float x) const { return math::round_even(x); }
  MPSEARCH_HD float backward(float /*dy*/, float /*unused*/) const { return 0.0F; }
};

using UnaryOps =
    TypeList<Relu, LeakyRelu, Clip, HardSigmoid, HardSwish, Sigmoid, Tanh, Elu, Selu, Softplus,
             Gelu, GeluTanh, Swish, Mish, Exp, Log, Sqrt, Reciprocal, Neg, Abs, Erf, Sin, Cos, Tan,
             Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh, Softsign, Celu, ThresholdedRelu,
             Shrink, Square, Sign, Floor, Ceil, Round>;

}  // namespace mpsearch
