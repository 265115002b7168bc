#include <string>

#include "kernels/step_state.h"
#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

Types scalars(std::size_t count) { return Types(count, f32({})); }

void expect_labels(TypeSpan inputs) {
  const Shape& logits = inputs[0].shape;
  require(!logits.empty(), ErrorKind::BadContent, "the logits are a scalar, expected classes last");
  expect_dtype("the labels", inputs[1], DType::I64);
  expect_shape("the labels (one a row of the logits)", inputs[1].shape,
               Shape(logits.begin(), logits.end() - 1));
}

void expect_target(TypeSpan inputs) {
  expect_shape("the target", inputs[1].shape, inputs[0].shape);
}

/// A loss has two inputs, its gradient the step state as third.
void expect_state(TypeSpan inputs) {
  expect_count(inputs, 3, 3);
  expect_record("the step state", inputs[2], sizeof(StepState));
}

Types infer_cross_entropy(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_labels(inputs);
  return scalars(3);
}

Types infer_cross_entropy_grad(const Attributes&, TypeSpan inputs) {
  expect_state(inputs);
  expect_labels(inputs);
  return {f32(inputs[0].shape)};
}

template <int Outputs>
Types infer_targeted(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_target(inputs);
  return scalars(Outputs);
}

Types infer_targeted_grad(const Attributes&, TypeSpan inputs) {
  expect_state(inputs);
  expect_target(inputs);
  return {f32(inputs[0].shape)};
}

/// Differentiation starts here: the gradient of the scaled loss (numerics.md, section 3). Of
/// several losses each has an attribute `weight`, which the kernels do not see.
void loss_gradient(GradientBuilder& builder, const Node& node) {
  require(builder.step_state() != kNone, ErrorKind::Internal,
          "a loss is differentiated without a step state");
  const double weight = node.attributes.number("weight", 1);
  ValueId dx =
      builder.node("dx", std::string(node.op->name) + "Grad",
                   {node.inputs[0], node.inputs[1], builder.step_state()}, node.attributes);
  if (weight != 1) dx = builder.node("weighted", "Scale", {dx}, {{"factor", weight}});
  builder.add(node.inputs[0], dx);
}

void add_state(std::vector<OpSample>& samples) {
  for (OpSample& sample : samples) {
    sample.inputs.push_back(typed(DType::U8, {sizeof(StepState)}));
  }
}

std::vector<OpSample> cross_entropy_samples() {
  const auto sample = [](std::string name, Shape logits, Attributes attributes) {
    Shape labels(logits.begin(), logits.end() - 1);
    return OpSample{std::move(name),
                    std::move(attributes),
                    {f32(std::move(logits)), typed(DType::I64, std::move(labels))}};
  };
  return {sample("matrix", {8, 10}, {}), sample("vector", {7}, {}),
          sample("sequence", {3, 4, 6}, {{"ignore_index", std::int64_t{-100}}}),
          sample("ignoring_a_class", {9, 5}, {{"ignore_index", std::int64_t{2}}}),
          sample("wide", {5, 133}, {})};
}

std::vector<OpSample> targeted_samples() {
  return {{"matrix", {}, {f32({6, 5}), f32({6, 5})}},
          {"image", {}, {f32({2, 3, 4, 5}), f32({2, 3, 4, 5})}},
          {"wide", {}, {f32({1031}), f32({1031})}}};
}

OpDef loss(std::string_view name, std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {F32, F32},
          .outputs = {F32},
          .gradient = loss_gradient,
          .samples = samples,
          .layout = LayoutRule::RowMajor,
          .loss = true};
}

OpDef loss_grad(std::string_view name, std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {F32, F32, Own},
          .outputs = {F32},
          .infer = infer_targeted_grad,
          .flops = per_input<4>,
          .samples = samples,
          .layout = LayoutRule::RowMajor,
          .loss = true};
}

std::vector<OpSample> targeted_grad_samples() {
  std::vector<OpSample> samples = targeted_samples();
  add_state(samples);
  return samples;
}

}  // namespace

std::vector<OpDef> loss_ops() {
  using enum Role;
  OpDef cross_entropy = loss("SoftmaxCrossEntropy", cross_entropy_samples);
  cross_entropy.inputs = {F32, Own};
  cross_entropy.outputs = {F32, F32, F32};
  cross_entropy.infer = infer_cross_entropy;
  cross_entropy.flops = per_input<6>;

  OpDef cross_entropy_grad = loss_grad("SoftmaxCrossEntropyGrad", [] {
    std::vector<OpSample> samples = cross_entropy_samples();
    add_state(samples);
    return samples;
  });
  cross_entropy_grad.inputs = {F32, Own, Own};
  cross_entropy_grad.infer = infer_cross_entropy_grad;

  OpDef squared = loss("MeanSquaredError", targeted_samples);
  squared.infer = infer_targeted<1>;
  squared.flops = per_input<3>;

  OpDef sigmoid = loss("SigmoidCrossEntropy", targeted_samples);
  sigmoid.outputs = {F32, F32, F32};
  sigmoid.infer = infer_targeted<3>;
  sigmoid.flops = per_input<6>;

  return {cross_entropy, cross_entropy_grad,
          squared,       loss_grad("MeanSquaredErrorGrad", targeted_grad_samples),
          sigmoid,       loss_grad("SigmoidCrossEntropyGrad", targeted_grad_samples)};
}

}  // namespace mpsearch
