#include "kernels/step_state.h"
#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

/// Checks that inputs `from`... are vectors of one element a channel of `x`.
void expect_channel_vectors(const Shape& x, TypeSpan inputs, std::size_t from) {
  require(x.size() >= 2, ErrorKind::BadContent,
          "batch normalization of " + to_string(x) + ", expected a batch and channels at least");
  for (std::size_t i = from; i < inputs.size(); ++i) {
    expect_shape("input " + std::to_string(i) + " (one entry a channel)", inputs[i].shape, {x[1]});
  }
}

Types infer_training(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 3, 3);
  const Shape& x = inputs[0].shape;
  expect_channel_vectors(x, inputs, 1);
  return {f32(x), f32({x[1]}), f32({x[1]})};
}

Types infer_inference(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 5, 5);
  expect_channel_vectors(inputs[0].shape, inputs, 1);
  return {f32(inputs[0].shape)};
}

Types infer_grad(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 5, 5);
  const Shape& x = inputs[1].shape;
  expect_shape("dy", inputs[0].shape, x);
  expect_channel_vectors(x, inputs, 2);
  return {f32(x), f32({x[1]}), f32({x[1]})};
}

Types infer_running(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 5, 5);
  for (std::size_t i = 1; i < 4; ++i) {
    expect_shape("input " + std::to_string(i), inputs[i].shape, inputs[0].shape);
  }
  expect_record("the step state", inputs[4], sizeof(StepState));
  return {};
}

/// All three gradients from one node: the sums for gamma and beta are needed for x anyway.
void add_gradients(GradientBuilder& builder, const Node& node, std::string_view grad, ValueId mean,
                   ValueId variance) {
  const ValueId dx = builder.node(
      "grad", grad, {first_gradient(builder, node), node.inputs[0], node.inputs[1], mean, variance},
      node.attributes, 3);
  const NodeId made = builder.graph().value(dx).producer;
  for (std::size_t i = 0; i < 3; ++i) {
    builder.add(node.inputs[i], builder.graph().node(made).outputs[i]);
  }
}

void training_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId variance = builder.saved_output(2);
  add_gradients(builder, node, "BatchNormGrad", builder.saved_output(1), variance);
}

void inference_gradient(GradientBuilder& builder, const Node& node) {
  add_gradients(builder, node, "BatchNormInferenceGrad", node.inputs[3], node.inputs[4]);
}

/// Samples with `vectors` channel vectors after x, and dy before x where `grad`.
std::vector<OpSample> samples(std::size_t vectors, bool grad) {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape x, double epsilon) {
    Types inputs(grad ? 2 : 1, f32(x));
    inputs.insert(inputs.end(), vectors, f32({x[1]}));
    list.push_back({std::move(name), {{"epsilon", epsilon}}, std::move(inputs)});
  };
  add("image", {3, 5, 4, 3}, 1e-5);
  add("matrix", {9, 6}, 1e-5);
  add("sequence", {2, 3, 7}, 1e-3);
  add("large_epsilon", {2, 4, 3, 3}, 0.5);
  add("one_channel", {5, 1, 2, 2}, 1e-5);
  add("wide", {4, 40, 7, 6}, 1e-5);
  return list;
}

std::vector<OpSample> running_samples() {
  std::vector<OpSample> list;
  for (const std::int64_t unbiased : {0, 1}) {
    Types inputs(4, f32({37}));
    inputs.push_back(typed(DType::U8, {sizeof(StepState)}));
    list.push_back({unbiased != 0 ? "unbiased" : "biased",
                    {{"momentum", 0.9}, {"count", std::int64_t{8}}, {"unbiased", unbiased}},
                    std::move(inputs)});
  }
  return list;
}

}  // namespace

std::vector<OpDef> norm_ops() {
  using enum Role;
  return {
      {.name = "BatchNormalization",
       .inputs = {Carrier, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_training,
       .gradient = training_gradient,
       .flops = per_input<7>,
       .samples = [] { return samples(2, false); },
       .layout = LayoutRule::Image},
      {.name = "BatchNormGrad",
       .inputs = {Carrier, Carrier, F32, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_grad,
       .flops = per_input<11>,
       .samples = [] { return samples(3, true); },
       .layout = LayoutRule::Image},
      {.name = "BatchNormInference",
       .inputs = {Carrier, F32, F32, F32, F32},
       .outputs = {Carrier},
       .infer = infer_inference,
       .gradient = inference_gradient,
       .flops = per_input<2>,
       .samples = [] { return samples(4, false); },
       .layout = LayoutRule::Image},
      {.name = "BatchNormInferenceGrad",
       .inputs = {Carrier, Carrier, F32, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_grad,
       .flops = per_input<5>,
       .samples = [] { return samples(3, true); },
       .layout = LayoutRule::Image},
      {.name = "RunningStatistics",
       .inputs = {F32, F32, F32, F32, Own},
       .outputs = {},
       .infer = infer_running,
       .flops = per_input<6>,
       .samples = running_samples,
       .layout = LayoutRule::RowMajor,
       .mutates = {0, 1}},
  };
}

}  // namespace mpsearch
