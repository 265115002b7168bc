// Functions of one element, their gradients written out by hand, and Dropout.
#include <cmath>
#include <limits>

#include "kernels/number/philox.h"
#include "kernels/step_state.h"
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// y = F(x).
template <auto F>
std::vector<Numbers> map(const Call& call) {
  Numbers y;
  for (const double x : call.inputs[0]) y.push_back(F(x));
  return {y};
}

/// y = F(a, b) for two inputs of one shape.
template <auto F>
std::vector<Numbers> map2(const Call& call) {
  Numbers y;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    y.push_back(F(call.inputs[0][i], call.inputs[1][i]));
  }
  return {y};
}

std::vector<Numbers> relu(const Call& call) {
  Numbers y, mask;
  for (const double x : call.inputs[0]) {
    y.push_back(x > 0 ? x : 0);
    mask.push_back(x > 0 ? 1 : 0);
  }
  return {y, mask};
}

std::vector<Numbers> clip(const Call& call) {
  const double low = call.number("min", -std::numeric_limits<double>::infinity());
  const double high = call.number("max", std::numeric_limits<double>::infinity());
  Numbers y, mask;
  for (const double x : call.inputs[0]) {
    y.push_back(std::fmin(std::fmax(x, low), high));
    mask.push_back(x >= low && x <= high ? 1 : 0);
  }
  return {y, mask};
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

constexpr auto kProduct = [](double a, double b) { return a * b; };

}  // namespace

std::vector<Definition> elementwise_definitions() {
  return {
      {"Relu", relu},
      {"ReluGrad", map2<kProduct>},
      {"Clip", clip},
      {"ClipGrad", map2<kProduct>},
      {"Sigmoid", map<[](double x) { return 1 / (1 + std::exp(-x)); }>},
      {"SigmoidGrad", map2<[](double dy, double y) { return dy * y * (1 - y); }>},
      {"Tanh", map<[](double x) { return std::tanh(x); }>},
      {"TanhGrad", map2<[](double dy, double y) { return dy * (1 - y * y); }>},
      {"Neg", map<[](double x) { return -x; }>},
      {"Scale", scale},
      {"Sum2", map2<[](double a, double b) { return a + b; }>},
      {"Dropout", dropout},
      {"DropoutGrad", dropout_grad},
  };
}

}  // namespace mpsearch::reference
