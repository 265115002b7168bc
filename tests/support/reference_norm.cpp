// Batch normalization as in Ioffe and Szegedy, "Batch Normalization" (2015), gradients included.
#include <cmath>

#include "kernels/step_state.h"
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// Calls f(channel, position) for every element of a tensor whose dimension 1 is the channel.
template <class F>
void for_each_element(const Shape& shape, F f) {
  for_each_index(shape, [&](const Shape& index) {
    f(static_cast<std::size_t>(index[1]), position(shape, index));
  });
}

Numbers normalized(const Call& call, std::size_t input, const Numbers& gamma, const Numbers& beta,
                   const Numbers& mean, const Numbers& variance) {
  Numbers y(call.inputs[input].size());
  for_each_element(call.shape(input), [&](std::size_t c, std::size_t i) {
    y[i] = gamma[c] * (call.inputs[input][i] - mean[c]) /
               std::sqrt(variance[c] + call.number("epsilon", 1e-5)) +
           beta[c];
  });
  return y;
}

std::vector<Numbers> training(const Call& call) {
  const auto channels = static_cast<std::size_t>(call.shape(0)[1]);
  const double count = static_cast<double>(call.inputs[0].size()) / static_cast<double>(channels);
  Numbers mean(channels, 0), variance(channels, 0);
  for_each_element(call.shape(0),
                   [&](std::size_t c, std::size_t i) { mean[c] += call.inputs[0][i] / count; });
  for_each_element(call.shape(0), [&](std::size_t c, std::size_t i) {
    variance[c] += std::pow(call.inputs[0][i] - mean[c], 2) / count;
  });
  return {normalized(call, 0, call.inputs[1], call.inputs[2], mean, variance), mean, variance};
}

std::vector<Numbers> inference(const Call& call) {
  return {normalized(call, 0, call.inputs[1], call.inputs[2], call.inputs[3], call.inputs[4])};
}

/// dgamma = sum dy xhat, dbeta = sum dy, and with batch statistics
/// dx = gamma / sqrt(var + eps) (dy - mean(dy) - xhat mean(dy xhat)), else without the means.
template <bool Training>
std::vector<Numbers> grad(const Call& call) {
  const Numbers& dy = call.inputs[0];
  const Numbers& gamma = call.inputs[2];
  const Numbers& variance = call.inputs[4];
  const std::size_t channels = gamma.size();
  const double count = static_cast<double>(dy.size()) / static_cast<double>(channels);
  const Numbers x_hat =
      normalized(call, 1, Numbers(channels, 1), Numbers(channels, 0), call.inputs[3], variance);
  Numbers dx(dy.size()), dgamma(channels, 0), dbeta(channels, 0);
  for_each_element(call.shape(0), [&](std::size_t c, std::size_t i) {
    dgamma[c] += dy[i] * x_hat[i];
    dbeta[c] += dy[i];
  });
  for_each_element(call.shape(0), [&](std::size_t c, std::size_t i) {
    const double centred =
        Training ? dy[i] - dbeta[c] / count - x_hat[i] * dgamma[c] / count : dy[i];
    dx[i] = gamma[c] / std::sqrt(variance[c] + call.number("epsilon", 1e-5)) * centred;
  });
  return {dx, dgamma, dbeta};
}

std::vector<Numbers> running(const Call& call) {
  if (record_of<StepState>(call.inputs[4]).overflow != 0) return {};
  const double momentum = call.number("momentum", 0.9);
  const auto count = static_cast<double>(call.integer("count", 1));
  const bool unbiased = call.integer("unbiased", 1) != 0 && count > 1;
  for (std::size_t c = 0; c < call.inputs[0].size(); ++c) {
    const double variance = call.inputs[3][c] * (unbiased ? count / (count - 1) : 1);
    call.inputs[0][c] = momentum * call.inputs[0][c] + (1 - momentum) * call.inputs[2][c];
    call.inputs[1][c] = momentum * call.inputs[1][c] + (1 - momentum) * variance;
  }
  return {};
}

}  // namespace

std::vector<Definition> norm_definitions() {
  return {{"BatchNormalization", training},
          {"BatchNormGrad", grad<true>},
          {"BatchNormInference", inference},
          {"BatchNormInferenceGrad", grad<false>},
          {"RunningStatistics", running}};
}

}  // namespace mpsearch::reference
