#include "kernels/step_state.h"
#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

void check_ratio(const Attributes& attributes) {
  const double ratio = attributes.number("ratio", 0.5);
  require(ratio >= 0 && ratio < 1, ErrorKind::BadContent,
          "the ratio of a Dropout is " + std::to_string(ratio) + ", expected 0 to less than 1");
}

Types infer_dropout(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 2);  // a model's Dropout has no step inputs yet
  check_ratio(attributes);
  if (inputs.size() > 1) expect_record("the step inputs", inputs[1], sizeof(StepInputs));
  return {f32(inputs[0].shape), typed(DType::BIT, inputs[0].shape)};
}

Types infer_dropout_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  check_ratio(attributes);
  expect_dtype("the mask", inputs[1], DType::BIT);
  expect_shape("the mask", inputs[1].shape, inputs[0].shape);
  return {f32(inputs[0].shape)};
}

void dropout_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId mask = builder.saved_output(1);
  builder.add(node.inputs[0],
              builder.node("dx", "DropoutGrad", {first_gradient(builder, node), mask},
                           {{"ratio", node.attributes.number("ratio", 0.5)}}));
}

/// `second` is the type of the second input, from the shape of the first.
std::vector<OpSample> samples(bool stream, TensorType (*second)(const Shape&)) {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape shape, double ratio) {
    Attributes attributes{{"ratio", ratio}};
    if (stream) attributes.set("stream", std::int64_t{3});
    list.push_back({std::move(name), std::move(attributes), {f32(shape), second(shape)}});
  };
  add("half", {7, 33}, 0.5);
  add("tenth", {2, 5, 4, 6}, 0.1);
  add("none", {5, 6}, 0);
  add("wide", {3, 40, 9, 8}, 0.25);
  return list;
}

}  // namespace

std::vector<OpDef> dropout_ops() {
  using enum Role;
  return {
      {.name = "Dropout",
       .inputs = {Carrier, Own},
       .outputs = {Carrier, Own},
       .infer = infer_dropout,
       .gradient = dropout_gradient,
       .flops = per_input<1>,
       .samples =
           [] {
             return samples(true,
                            [](const Shape&) { return typed(DType::U8, {sizeof(StepInputs)}); });
           }},
      {.name = "DropoutGrad",
       .inputs = {Carrier, Own},
       .outputs = {Carrier},
       .infer = infer_dropout_grad,
       .flops = per_input<1>,
       .samples =
           [] {
             return samples(false, [](const Shape& shape) { return typed(DType::BIT, shape); });
           }},
  };
}

}  // namespace mpsearch
