// Element-wise functions of two values, forward beside the two gradients. Broadcasting is the
// driver's business: it reads one operand again and again, and sums a gradient over what it
// repeated.
#pragma once

#include "kernels/math/elementwise.h"
#include "kernels/math/transcendental.h"

namespace mpsearch {

struct Add {
  static constexpr const char* kName = "Add";
  static constexpr bool kSavesInputs = false;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a + b; }
  MPSEARCH_HD float backward_a(float dy, float /*a*/, float /*b*/) const { return dy; }
  MPSEARCH_HD float backward_b(float dy, float /*a*/, float /*b*/) const { return dy; }
};

struct Sub {
  static constexpr const char* kName = "Sub";
  static constexpr bool kSavesInputs = false;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a - b; }
  MPSEARCH_HD float backward_a(float dy, float /*a*/, float /*b*/) const { return dy; }
  MPSEARCH_HD float backward_b(float dy, float /*a*/, float /*b*/) const { return -dy; }
};

struct Mul {
  static constexpr const char* kName = "Mul";
  static constexpr bool kSavesInputs = true;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a * b; }
  MPSEARCH_HD float backward_a(float dy, float /*a*/, float b) const { return dy * b; }
  MPSEARCH_HD float backward_b(float dy, float a, float /*b*/) const { return dy * a; }
};

struct Div {
  static constexpr const char* kName = "Div";
  static constexpr bool kSavesInputs = true;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a / b; }
  MPSEARCH_HD float backward_a(float dy, float /*a*/, float b) const { return dy / b; }
  MPSEARCH_HD float backward_b(float dy, float a, float b) const { return -dy * ((a / b) / b); }
};

/// NaN in either operand stays. A tie shares the gradient equally, as in PyTorch.
struct Min {
  static constexpr const char* kName = "Min";
  static constexpr bool kSavesInputs = true;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a < b || a != a ? a : b; }
  MPSEARCH_HD float backward_a(float dy, float a, float b) const {
    return share(dy, a < b, a == b);
  }
  MPSEARCH_HD float backward_b(float dy, float a, float b) const {
    return share(dy, b < a, a == b);
  }

  /// dy for the winner, half of it at a tie, 0 for the loser.
  MPSEARCH_HD static float share(float dy, bool wins, bool ties) {
    const float tied = ties ? 0.5F * dy : 0.0F;
    return wins ? dy : tied;
  }
};

/// As Min.
struct Max {
  static constexpr const char* kName = "Max";
  static constexpr bool kSavesInputs = true;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a > b || a != a ? a : b; }
  MPSEARCH_HD float backward_a(float dy, float a, float b) const {
    return Min::share(dy, a > b, a == b);
  }
  MPSEARCH_HD float backward_b(float dy, float a, float b) const {
    return Min::share(dy, b > a, a == b);
  }
};

/// The gradient to the exponent is 0 where a is 0 and b is not negative, as in PyTorch.
struct Pow {
  static constexpr const char* kName = "Pow";
  static constexpr bool kSavesInputs = true;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return math::pow(a, b); }
  MPSEARCH_HD float backward_a(float dy, float a, float b) const {
    return b == 0.0F ? 0.0F : dy * (b * math::pow(a, b - 1.0F));
  }
  MPSEARCH_HD float backward_b(float dy, float a, float b) const {
    const float slope = dy * (math::pow(a, b) * math::log(a));
    return a == 0.0F && b >= 0.0F ? 0.0F : slope;
  }
};

/// a: the value, b: the slope on its left.
struct PRelu {
  static constexpr const char* kName = "PRelu";
  static constexpr bool kSavesInputs = true;
  static constexpr int kParameters = 0;
  MPSEARCH_HD float forward(float a, float b) const { return a < 0.0F ? a * b : a; }
  MPSEARCH_HD float backward_a(float dy, float a, float b) const { return a < 0.0F ? dy * b : dy; }
  MPSEARCH_HD float backward_b(float dy, float a, float /*b*/) const {
    return a < 0.0F ? dy * a : 0.0F;
  }
};

using BinaryOps = TypeList<Add, Sub, Mul, Div, Min, Max, Pow, PRelu>;

}  // namespace mpsearch
