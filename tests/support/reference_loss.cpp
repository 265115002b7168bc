// Losses and their gradients times the loss scale.
#include <algorithm>
#include <cmath>

#include "kernels/step_state.h"
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

double loss_scale(const Call& call) {
  const auto state = record_of<StepState>(call.inputs[2]);
  return state.loss_scale / static_cast<double>(state.micro_batches);
}

/// Softmax probabilities of one row of logits.
Numbers probabilities(const Numbers& logits, std::size_t row, std::size_t classes) {
  const auto first = logits.begin() + static_cast<std::ptrdiff_t>(row * classes);
  const double greatest = *std::max_element(first, first + static_cast<std::ptrdiff_t>(classes));
  Numbers p;
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    p.push_back(std::exp(logits[row * classes + c] - greatest));
    sum += p.back();
  }
  for (double& value : p) value /= sum;
  return p;
}

struct Rows {
  std::size_t classes = 0;
  double valid = 0;
};

Rows rows_of(const Call& call) {
  Rows rows{.classes = static_cast<std::size_t>(call.shape(0).back())};
  const auto ignored = static_cast<double>(call.integer("ignore_index", -100));
  for (const double label : call.inputs[1]) rows.valid += label != ignored ? 1 : 0;
  return rows;
}

std::vector<Numbers> cross_entropy(const Call& call) {
  const Rows rows = rows_of(call);
  const auto ignored = static_cast<double>(call.integer("ignore_index", -100));
  double sum = 0, correct = 0;
  for (std::size_t row = 0; row < call.inputs[1].size(); ++row) {
    const double label = call.inputs[1][row];
    if (label == ignored) continue;
    const Numbers p = probabilities(call.inputs[0], row, rows.classes);
    sum -= std::log(p[static_cast<std::size_t>(label)]);
    const auto best = std::max_element(p.begin(), p.end()) - p.begin();
    correct += static_cast<double>(best) == label ? 1 : 0;
  }
  return {{rows.valid > 0 ? sum / rows.valid : 0}, {correct}, {rows.valid}};
}

std::vector<Numbers> cross_entropy_grad(const Call& call) {
  const Rows rows = rows_of(call);
  const auto ignored = static_cast<double>(call.integer("ignore_index", -100));
  Numbers dx(call.inputs[0].size(), 0);
  for (std::size_t row = 0; row < call.inputs[1].size(); ++row) {
    const double label = call.inputs[1][row];
    if (label == ignored) continue;
    const Numbers p = probabilities(call.inputs[0], row, rows.classes);
    for (std::size_t c = 0; c < rows.classes; ++c) {
      const double hit = static_cast<double>(c) == label ? 1 : 0;
      dx[row * rows.classes + c] = loss_scale(call) * (p[c] - hit) / rows.valid;
    }
  }
  return {dx};
}

std::vector<Numbers> squared_error(const Call& call) {
  double sum = 0;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    sum += std::pow(call.inputs[0][i] - call.inputs[1][i], 2);
  }
  return {{sum / static_cast<double>(call.inputs[0].size())}};
}

std::vector<Numbers> squared_error_grad(const Call& call) {
  const auto count = static_cast<double>(call.inputs[0].size());
  Numbers dx;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    dx.push_back(loss_scale(call) * 2 * (call.inputs[0][i] - call.inputs[1][i]) / count);
  }
  return {dx};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// -t log(sigmoid(x)) - (1 - t) log(1 - sigmoid(x)), without overflow: softplus(x) - t x.
std::vector<Numbers> sigmoid_cross_entropy(const Call& call) {
  double sum = 0, correct = 0;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    const double x = call.inputs[0][i];
    const double t = call.inputs[1][i];
    sum += std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))) - t * x;
    correct += (x > 0) == (t > 0.5) ? 1 : 0;
  }
  const auto count = static_cast<double>(call.inputs[0].size());
  return {{sum / count}, {correct}, {count}};
}

std::vector<Numbers> sigmoid_cross_entropy_grad(const Call& call) {
  const auto count = static_cast<double>(call.inputs[0].size());
  Numbers dx;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    dx.push_back(loss_scale(call) * (sigmoid(call.inputs[0][i]) - call.inputs[1][i]) / count);
  }
  return {dx};
}

}  // namespace

std::vector<Definition> loss_definitions() {
  return {{"SoftmaxCrossEntropy", cross_entropy},
          {"SoftmaxCrossEntropyGrad", cross_entropy_grad},
          {"MeanSquaredError", squared_error},
          {"MeanSquaredErrorGrad", squared_error_grad},
          {"SigmoidCrossEntropy", sigmoid_cross_entropy},
          {"SigmoidCrossEntropyGrad", sigmoid_cross_entropy_grad}};
}

}  // namespace mpsearch::reference
