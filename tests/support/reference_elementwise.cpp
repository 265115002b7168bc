// Functions of one element and their gradients, by the registry's FP64 definitions; Dropout.
#include "kernels/number/philox.h"
#include "kernels/step_state.h"
#include "models/op.h"
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// y = value(x), and where the operator has a mask, passes(x).
std::vector<Numbers> map(const Call& call) {
  const Exact& exact = find_op(call.call.op)->exact;
  Numbers y, mask;
  for (const double x : call.inputs[0]) {
    y.push_back(exact.value(x, call.call.attributes));
    if (exact.passes != nullptr) mask.push_back(exact.passes(x, call.call.attributes) ? 1 : 0);
  }
  if (exact.passes == nullptr) return {y};
  return {y, mask};
}

/// dx = dy slope(saved).
std::vector<Numbers> chain(const Call& call) {
  const Exact& exact = find_op(call.call.op)->exact;
  Numbers dx;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    dx.push_back(call.inputs[0][i] * exact.slope(call.inputs[1][i], call.call.attributes));
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

std::vector<Numbers> sum2(const Call& call) {
  Numbers y;
  for (std::size_t i = 0; i < call.inputs[0].size(); ++i) {
    y.push_back(call.inputs[0][i] + call.inputs[1][i]);
  }
  return {y};
}

}  // namespace

std::vector<Definition> elementwise_definitions() {
  std::vector<Definition> all{
      {"Scale", scale},
      {"Sum2", sum2},
      {"Dropout", dropout},
      {"DropoutGrad", dropout_grad},
  };
  for (const OpDef& op : all_ops()) {
    if (op.exact.value != nullptr) all.push_back({op.name, map});
    if (op.exact.value == nullptr && op.exact.slope != nullptr) all.push_back({op.name, chain});
  }
  return all;
}

}  // namespace mpsearch::reference
