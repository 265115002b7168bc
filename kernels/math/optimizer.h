// Optimizer steps of one element: FP32 masters and state in, new ones out. Scalars are precomputed
// a step (on the host in FP64, then rounded), so that they can lie in the arena. Formulas as
// PyTorch's.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/group.h"

namespace mpsearch {

/// g += wd w; first step b = g, later b = mu b + (1 - dampening) g; Nesterov g + mu b; w -= lr *.
struct Sgd {
  float lr = 0.0F;
  float momentum = 0.0F;
  float keep = 1.0F;  // 1 - dampening
  float weight_decay = 0.0F;
  std::uint32_t nesterov = 0;
  std::uint32_t first = 0;  // this is the first accepted step

  /// Without momentum: the new w.
  MPSEARCH_HD float step(float w, float g) const { return w - lr * (g + weight_decay * w); }

  /// With momentum: the new {w, b}.
  MPSEARCH_HD Values<2> step(float w, float g, float b) const {
    const float gradient = g + weight_decay * w;
    const float later = momentum * b + keep * gradient;
    const float buffer = first != 0 ? gradient : later;
    const float direction = nesterov != 0 ? gradient + momentum * buffer : buffer;
    return {{w - lr * direction, buffer}};
  }
};

struct AdamSettings {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  bool decoupled = false;  // AdamW
};

/// m and v are running means of g and g^2; w -= (lr / c1) m / (sqrt(v) / sqrt(c2) + epsilon), with
/// c1 = 1 - beta1^t, c2 = 1 - beta2^t. Adam adds wd w to g; AdamW first scales w by 1 - lr wd.
struct Adam {
  float beta1, rest1;  // rest = 1 - beta
  float beta2, rest2;
  float rate;        // lr / c1
  float inverse_c2;  // 1 / sqrt(c2)
  float epsilon;
  float weight_decay;  // of Adam; 0 in AdamW
  float decay;         // 1 - lr wd of AdamW; 1 in Adam

  /// The scalars of accepted step t = 1, 2, ...
  MPSEARCH_HD static Adam at_step(const AdamSettings& s, double t) {
    const double c1 = 1.0 - ::pow(s.beta1, t);
    const double c2 = 1.0 - ::pow(s.beta2, t);
    return {static_cast<float>(s.beta1),
            static_cast<float>(1.0 - s.beta1),
            static_cast<float>(s.beta2),
            static_cast<float>(1.0 - s.beta2),
            static_cast<float>(s.lr / c1),
            static_cast<float>(1.0 / ::sqrt(c2)),
            static_cast<float>(s.epsilon),
            static_cast<float>(s.decoupled ? 0.0 : s.weight_decay),
            static_cast<float>(s.decoupled ? 1.0 - s.lr * s.weight_decay : 1.0)};
  }

  /// The new {w, m, v}.
  MPSEARCH_HD Values<3> step(float w, float g, float m, float v) const {
    const float gradient = g + weight_decay * w;
    const float mean = beta1 * m + rest1 * gradient;
    const float square = beta2 * v + rest2 * (gradient * gradient);
    const float step = rate * mean / (::sqrtf(square) * inverse_c2 + epsilon);
    return {{decay * w - step, mean, square}};
  }
};

/// The factor that brings a gradient of this norm down to `max_norm`: min(1, max_norm / (norm +
/// 1e-6)).
MPSEARCH_HD inline float clip_coefficient(float norm, float max_norm) {
  const float ratio = max_norm / (norm + 1e-6F);
  return ratio < 1.0F ? ratio : 1.0F;
}

}  // namespace mpsearch
