// Optimizers and loss scaler as in numerics.md, sections 3 and 6.
#include <cmath>

#include "kernels/step_state.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

std::vector<Numbers> statistics(const Call& call) {
  double squares = 0, bad = 0;
  for (const double g : call.inputs[0]) {
    squares += g * g;
    bad += std::isfinite(g) ? 0 : 1;
  }
  return {{squares, bad}};
}

std::vector<Numbers> accumulate(const Call& call) {
  const auto inputs = record_of<StepInputs>(call.inputs[2]);
  const bool first = inputs.attempt % static_cast<std::uint64_t>(call.integer("every", 1)) == 0;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    const double kept = first ? 0 : call.number("keep", 1) * call.inputs[0][i];
    call.inputs[0][i] = kept + call.number("factor", 1) * call.inputs[1][i];
  }
  return {};
}

/// The loss scaler's state after a step with or without overflow.
void update_scale(const Call& call, bool overflow, StepState& state) {
  const auto hysteresis = static_cast<std::int32_t>(call.integer("hysteresis", 1));
  if (overflow) {
    state.good = 0;
    if (state.hysteresis > 1) {
      --state.hysteresis;
    } else {
      state.loss_scale =
          std::fmax(state.loss_scale / 2, static_cast<float>(call.number("floor", 0)));
    }
    return;
  }
  state.hysteresis = hysteresis;
  if (++state.good < call.number("growth_interval", 2000)) return;
  state.good = 0;
  const float doubled = 2 * state.loss_scale;
  const double cap = call.number("cap", 0);
  if (std::isfinite(doubled) && (cap == 0 || doubled <= cap)) state.loss_scale = doubled;
}

std::vector<Numbers> control(const Call& call) {
  auto state = record_of<StepState>(call.inputs[0]);
  const auto inputs = record_of<StepInputs>(call.inputs[1]);
  const double loss = call.inputs[2][0];
  double squares = 0;
  state.first_bad = -1;
  for (std::size_t i = 3; i < call.inputs.size(); ++i) {
    squares += call.inputs[i][0];
    if (call.inputs[i][1] > 0 && state.first_bad < 0) {
      state.first_bad = static_cast<std::int32_t>(i - 3);
    }
  }
  const bool overflow = state.first_bad >= 0 || !std::isfinite(loss);
  const double inverse = 1 / static_cast<double>(state.loss_scale);
  const double norm = std::sqrt(squares) * inverse;
  const double clip = call.number("clip", 0);
  const double coefficient = clip > 0 ? std::fmin(1, clip / (norm + 1e-6)) : 1;
  state.overflow = overflow ? 1 : 0;
  state.loss = static_cast<float>(loss);
  state.norm = static_cast<float>(norm);
  state.gradient_factor = static_cast<float>(inverse * coefficient);
  state.learning_rate = inputs.learning_rate;
  if (overflow) {
    ++state.consecutive;
    ++state.skipped_total;
  } else {
    state.consecutive = 0;
    ++state.accepted;
  }
  if (state.dynamic != 0) update_scale(call, overflow, state);
  call.inputs[0] = numbers_of(state);
  return {};
}

std::vector<Numbers> sgd(const Call& call) {
  const auto state = record_of<StepState>(call.inputs[2]);
  if (state.overflow != 0) return {};
  const double momentum = call.number("momentum", 0);
  const double dampening = call.number("dampening", 0);
  const bool nesterov = call.integer("nesterov", 0) != 0;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    double& w = call.inputs[0][i];
    double step = call.inputs[1][i] * state.gradient_factor + call.number("weight_decay", 0) * w;
    if (momentum != 0) {
      const double g = step;
      double& buffer = call.inputs[3][i];
      buffer = state.accepted == 1 ? g : momentum * buffer + (1 - dampening) * g;
      step = nesterov ? g + momentum * buffer : buffer;
    }
    w -= state.learning_rate * step;
  }
  return {};
}

std::vector<Numbers> adam(const Call& call) {
  const auto state = record_of<StepState>(call.inputs[2]);
  if (state.overflow != 0) return {};
  const double beta1 = call.number("beta1", 0.9);
  const double beta2 = call.number("beta2", 0.999);
  const double decay = call.number("weight_decay", 0);
  const bool decoupled = call.integer("decoupled", 0) != 0;
  const double rate = state.learning_rate;
  const auto t = static_cast<double>(state.accepted);
  const double correction1 = 1 - std::pow(beta1, t);
  const double correction2 = 1 - std::pow(beta2, t);
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    double& w = call.inputs[0][i];
    double& m = call.inputs[3][i];
    double& v = call.inputs[4][i];
    double g = call.inputs[1][i] * state.gradient_factor;
    if (decoupled) w *= 1 - rate * decay;
    if (!decoupled) g += decay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double root = std::sqrt(v) / std::sqrt(correction2);
    w -= rate / correction1 * m / (root + call.number("epsilon", 1e-8));
  }
  return {};
}

}  // namespace

std::vector<Definition> optimizer_definitions() {
  return {{"GradientStatistics", statistics},
          {"Accumulate", accumulate},
          {"StepControl", control},
          {"Sgd", sgd},
          {"Adam", adam}};
}

}  // namespace mpsearch::reference
