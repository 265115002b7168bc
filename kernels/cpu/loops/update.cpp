// The end of a step: statistics of the gradients, the decision whether the step counts, and the
// optimizers and running statistics that obey it (numerics.md, sections 3, 5 and 6).
#include <cmath>
#include <cstring>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/math/batch_norm.h"
#include "kernels/math/optimizer.h"
#include "kernels/math/range.h"
#include "kernels/math/scaling.h"
#include "kernels/step_state.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

bool all_f32(const KernelCall& call, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (call.inputs[i].form.dtype != DType::F32) return false;
  }
  return true;
}

float* floats(const TensorView& view) { return reinterpret_cast<float*>(view.data); }

template <class T>
T& record(const TensorView& view) {
  return *reinterpret_cast<T*>(view.data);
}

// GradientStatistics: one partial result a block, folded in order.

struct GradientStatistics {
  const float* gradient;
  std::int64_t count;
  double* out;      // sum of squares, non-finite elements
  double* partial;  // two a block

  void operator()() const {
    for_each_block(count, kBlock, [&](std::int64_t index, std::int64_t begin, std::int64_t end) {
      const Group group;
      const auto both = group.template reduce2<SumF64, Sum>(
          end - begin,
          [](float g) {
            const double wide = g;
            const float bad = math::abs(g) < __builtin_inff() ? 0.0F : 1.0F;
            return Two<double, float>{wide * wide, bad};
          },
          gradient + begin);
      partial[2 * index] = both.first;
      partial[2 * index + 1] = both.second;
    });
    out[0] = out[1] = 0;
    for (std::int64_t index = 0; index * kBlock < count; ++index) {
      out[0] += partial[2 * index];
      out[1] += partial[2 * index + 1];
    }
  }
};

std::int64_t blocks_of(std::int64_t count) { return (count + kBlock - 1) / kBlock; }

std::vector<KernelChoice> statistics_candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || !all_f32(call, 1) || call.outputs.size() != 1) return {};
  const auto bytes = static_cast<std::int64_t>(2 * sizeof(double));
  return {{.algorithm = "loop", .workspace_bytes = bytes * blocks_of(call.inputs[0].elements())}};
}

BoundKernel bind_statistics(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return bound(GradientStatistics{floats(views.inputs[0]), call.inputs[0].elements(),
                                  reinterpret_cast<double*>(views.outputs[0].data),
                                  reinterpret_cast<double*>(views.workspace)});
}

// Accumulate.

struct Accumulate {
  float* sum;
  const float* x;
  const StepInputs* inputs;
  std::int64_t count;
  std::uint64_t every;
  float keep;
  float factor;

  void operator()() const {
    const bool first = inputs->attempt % every == 0;
    for_each_block(count, kBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      const Group group;
      const float scale = factor;
      const float rest = keep;
      float* const out = sum + begin;
      if (first) {
        group.map(
            end - begin, [=](float v) { return scale * v; }, Out{out}, x + begin);
      } else {
        group.map(
            end - begin, [=](float kept, float v) { return rest * kept + scale * v; }, Out{out},
            out, x + begin);
      }
    });
  }
};

std::vector<KernelChoice> accumulate_candidates(const KernelCall& call) {
  if (call.inputs.size() != 3 || !all_f32(call, 2)) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_accumulate(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Attributes& attributes = call.attributes;
  return bound(Accumulate{floats(views.inputs[0]), floats(views.inputs[1]),
                          &record<StepInputs>(views.inputs[2]), call.inputs[0].elements(),
                          static_cast<std::uint64_t>(attributes.integer("every", 1)),
                          static_cast<float>(attributes.number("keep", 1)),
                          static_cast<float>(attributes.number("factor", 1))});
}

// StepControl.

struct StepControl {
  StepState* state;
  const StepInputs* inputs;
  const float* loss;
  std::vector<const double*> statistics;
  LossScalerSettings scaler;
  float clip;

  void operator()() const {
    double squares = 0;
    std::int32_t first_bad = -1;
    for (std::size_t i = 0; i < statistics.size(); ++i) {
      squares += statistics[i][0];
      if (first_bad < 0 && statistics[i][1] > 0) first_bad = static_cast<std::int32_t>(i);
    }
    const float unscale = unscale_factor(state->loss_scale);
    state->loss = *loss;
    state->norm = static_cast<float>(std::sqrt(squares) * static_cast<double>(unscale));
    state->first_bad = first_bad;
    state->overflow = first_bad >= 0 || !std::isfinite(*loss) ? 1 : 0;
    const float factor = clip > 0 ? clip_coefficient(state->norm, clip) : 1.0F;
    state->gradient_factor = unscale * factor;
    state->learning_rate = inputs->learning_rate;
    if (state->overflow != 0) {
      ++state->consecutive;
      ++state->skipped_total;
    } else {
      state->consecutive = 0;
      ++state->accepted;
    }
    if (state->dynamic != 0) step_scaler();
  }

  void step_scaler() const {
    const LossScaler now{state->loss_scale, state->good, state->hysteresis, 0};
    const LossScaler later = next(now, scaler, state->overflow != 0);
    state->loss_scale = later.scale;
    state->good = later.good;
    state->hysteresis = later.hysteresis;
  }
};

std::vector<KernelChoice> control_candidates(const KernelCall& call) {
  if (call.inputs.size() < 3 || call.inputs[2].form.dtype != DType::F32) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_control(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Attributes& attributes = call.attributes;
  StepControl control{};
  control.state = &record<StepState>(views.inputs[0]);
  control.inputs = &record<StepInputs>(views.inputs[1]);
  control.loss = floats(views.inputs[2]);
  for (std::size_t i = 3; i < views.inputs.size(); ++i) {
    control.statistics.push_back(reinterpret_cast<const double*>(views.inputs[i].data));
  }
  control.clip = static_cast<float>(attributes.number("clip", 0));
  control.scaler.interval = static_cast<std::int32_t>(attributes.number("growth_interval", 2000));
  control.scaler.floor = static_cast<float>(attributes.number("floor", 0));
  if (const double cap = attributes.number("cap", 0); cap > 0) {
    control.scaler.cap = static_cast<float>(cap);
  }
  control.scaler.hysteresis = static_cast<std::int32_t>(attributes.integer("hysteresis", 1));
  return bound(std::move(control));
}

// Sgd and Adam.

struct SgdStep {
  float* w;
  const float* gradient;
  float* buffer;  // null without momentum
  const StepState* state;
  std::int64_t count;
  Sgd sgd;

  void operator()() const {
    if (state->overflow != 0) return;
    Sgd now = sgd;
    now.lr = state->learning_rate;
    now.first = state->accepted == 1 ? 1 : 0;
    const float factor = state->gradient_factor;
    for_each_block(count, kBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      const Group group;
      const std::int64_t n = end - begin;
      if (buffer == nullptr) {
        group.map(
            n, [=](float v, float g) { return now.step(v, g * factor); }, Out{w + begin}, w + begin,
            gradient + begin);
      } else {
        group.map(
            n, [=](float v, float g, float b) { return now.step(v, g * factor, b); },
            Out{w + begin, buffer + begin}, w + begin, gradient + begin, buffer + begin);
      }
    });
  }
};

std::vector<KernelChoice> sgd_candidates(const KernelCall& call) {
  const std::size_t inputs = call.attributes.number("momentum", 0) != 0 ? 4 : 3;
  if (call.inputs.size() != inputs || !all_f32(call, 2)) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_sgd(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Attributes& attributes = call.attributes;
  SgdStep step{};
  step.w = floats(views.inputs[0]);
  step.gradient = floats(views.inputs[1]);
  step.state = &record<StepState>(views.inputs[2]);
  step.buffer = views.inputs.size() > 3 ? floats(views.inputs[3]) : nullptr;
  step.count = call.inputs[0].elements();
  step.sgd.momentum = static_cast<float>(attributes.number("momentum", 0));
  step.sgd.keep = static_cast<float>(1 - attributes.number("dampening", 0));
  step.sgd.weight_decay = static_cast<float>(attributes.number("weight_decay", 0));
  step.sgd.nesterov = attributes.integer("nesterov", 0) != 0 ? 1 : 0;
  return bound(step);
}

struct AdamStep {
  float* w;
  const float* gradient;
  float* m;
  float* v;
  const StepState* state;
  std::int64_t count;
  AdamSettings settings;

  void operator()() const {
    if (state->overflow != 0) return;
    AdamSettings at = settings;
    at.lr = state->learning_rate;
    const Adam adam = Adam::at_step(at, static_cast<double>(state->accepted));
    const float factor = state->gradient_factor;
    for_each_block(count, kBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      const Group group;
      group.map(
          end - begin,
          [=](float weight, float g, float mean, float square) {
            return adam.step(weight, g * factor, mean, square);
          },
          Out{w + begin, m + begin, v + begin}, w + begin, gradient + begin, m + begin, v + begin);
    });
  }
};

std::vector<KernelChoice> adam_candidates(const KernelCall& call) {
  if (call.inputs.size() != 5 || !all_f32(call, 2)) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_adam(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Attributes& attributes = call.attributes;
  AdamStep step{};
  step.w = floats(views.inputs[0]);
  step.gradient = floats(views.inputs[1]);
  step.state = &record<StepState>(views.inputs[2]);
  step.m = floats(views.inputs[3]);
  step.v = floats(views.inputs[4]);
  step.count = call.inputs[0].elements();
  step.settings.beta1 = attributes.number("beta1", 0.9);
  step.settings.beta2 = attributes.number("beta2", 0.999);
  step.settings.epsilon = attributes.number("epsilon", 1e-8);
  step.settings.weight_decay = attributes.number("weight_decay", 0);
  step.settings.decoupled = attributes.integer("decoupled", 0) != 0;
  return bound(step);
}

// RunningStatistics.

struct RunningStatistics {
  float* running_mean;
  float* running_variance;
  const float* mean;
  const float* variance;  // biased
  const StepState* state;
  std::int64_t channels;
  double count;
  float momentum;  // weight of the new value
  bool unbiased;

  void operator()() const {
    if (state->overflow != 0) return;
    for (std::int64_t c = 0; c < channels; ++c) {
      const Moments batch{count, mean[c], variance[c] * count};
      const RunningStats now =
          updated({running_mean[c], running_variance[c]}, batch, momentum, unbiased);
      running_mean[c] = now.mean;
      running_variance[c] = now.variance;
    }
  }
};

std::vector<KernelChoice> running_candidates(const KernelCall& call) {
  if (call.inputs.size() != 5 || !all_f32(call, 4)) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_running(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return bound(RunningStatistics{floats(views.inputs[0]), floats(views.inputs[1]),
                                 floats(views.inputs[2]), floats(views.inputs[3]),
                                 &record<StepState>(views.inputs[4]), call.inputs[0].elements(),
                                 static_cast<double>(call.attributes.integer("count", 1)),
                                 static_cast<float>(1 - call.attributes.number("momentum", 0.9)),
                                 call.attributes.integer("unbiased", 1) != 0});
}

constexpr KernelEntry kEntries[] = {
    {"GradientStatistics", statistics_candidates, bind_statistics},
    {"Accumulate", accumulate_candidates, bind_accumulate},
    {"StepControl", control_candidates, bind_control},
    {"Sgd", sgd_candidates, bind_sgd},
    {"Adam", adam_candidates, bind_adam},
    {"RunningStatistics", running_candidates, bind_running},
};

}  // namespace

KernelTable update_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
