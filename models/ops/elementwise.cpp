#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

Types infer_unary(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {f32(inputs[0].shape)};
}

/// Two inputs of one shape: sums of gradients, and gradients with what they need of forward.
Types infer_pair(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_shape("the second input", inputs[1].shape, inputs[0].shape);
  return {f32(inputs[0].shape)};
}

Types infer_masked(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {f32(inputs[0].shape), typed(DType::BIT, inputs[0].shape)};
}

Types infer_masked_grad(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_dtype("the mask", inputs[1], DType::BIT);
  expect_shape("the mask", inputs[1].shape, inputs[0].shape);
  return {f32(inputs[0].shape)};
}

/// dx = NAMEGrad(dy, SAVED) with the node's attributes.
void add_grad_node(GradientBuilder& builder, const Node& node, ValueId saved) {
  const std::string name = std::string(node.op->name) + "Grad";
  const ValueId dy = first_gradient(builder, node);
  builder.add(node.inputs[0], builder.node("dx", name, {dy, saved}, node.attributes));
}

void gradient_from_input(GradientBuilder& builder, const Node& node) {
  add_grad_node(builder, node, node.inputs[0]);
}

void gradient_from_output(GradientBuilder& builder, const Node& node) {
  add_grad_node(builder, node, node.outputs[0]);
}

void gradient_from_mask(GradientBuilder& builder, const Node& node) {
  add_grad_node(builder, node, builder.saved_output(1));
}

/// Linear operators are their own gradient.
void gradient_by_itself(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0],
              builder.node("dx", node.op->name, {first_gradient(builder, node)}, node.attributes));
}

void sum2_gradient(GradientBuilder& builder, const Node& node) {
  for (const ValueId input : node.inputs) builder.add(input, first_gradient(builder, node));
}

std::vector<OpSample> with(const Attributes& attributes, std::size_t inputs = 1) {
  std::vector<OpSample> samples;
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{67}, Shape{}, Shape{3, 40, 9, 8}}) {
    const std::string name =
        "rank" + std::to_string(shape.size()) + "_" + std::to_string(elements_of(shape));
    samples.push_back({name, attributes, Types(inputs, f32(shape))});
  }
  return samples;
}

std::vector<OpSample> any_samples() { return with({}); }
std::vector<OpSample> pair_samples() { return with({}, 2); }

std::vector<OpSample> masked_pairs(const Attributes& attributes) {
  std::vector<OpSample> samples = with(attributes, 2);
  for (OpSample& sample : samples) sample.inputs[1].form.dtype = DType::BIT;
  return samples;
}

Attributes clip_bounds() { return {{"min", -1.0}, {"max", 0.75}}; }

enum class Saved { Input, Output };

/// An element-wise function y = f(x) whose gradient NAMEGrad(dy, SAVED) needs its input or output.
struct Smooth {
  std::string_view name, grad;
  Saved saved;
  double (*flops)(const Attributes&, TypeSpan, TypeSpan);
  double (*grad_flops)(const Attributes&, TypeSpan, TypeSpan);
  std::vector<OpSample> (*samples)() = any_samples;
  std::vector<OpSample> (*grad_samples)() = pair_samples;
};

/// To add one: its functor in kernels/math, a row here, and its definition in tests/support.
constexpr Smooth kSmooth[] = {
    {"Sigmoid", "SigmoidGrad", Saved::Output, per_input<4>, per_input<3>},
    {"Tanh", "TanhGrad", Saved::Output, per_input<4>, per_input<3>},
};

void add_smooth(std::vector<OpDef>& ops, const Smooth& row) {
  using enum Role;
  ops.push_back({.name = row.name,
                 .inputs = {Carrier},
                 .outputs = {Carrier},
                 .infer = infer_unary,
                 .gradient = row.saved == Saved::Input ? gradient_from_input : gradient_from_output,
                 .flops = row.flops,
                 .samples = row.samples});
  ops.push_back({.name = row.grad,
                 .inputs = {Carrier, Carrier},
                 .outputs = {Carrier},
                 .infer = infer_pair,
                 .flops = row.grad_flops,
                 .samples = row.grad_samples});
}

}  // namespace

std::vector<OpDef> elementwise_ops() {
  using enum Role;
  std::vector<OpDef> ops{
      {.name = "Relu",
       .inputs = {Carrier},
       .outputs = {Carrier, Own},
       .infer = infer_masked,
       .gradient = gradient_from_mask,
       .flops = per_input<1>,
       .samples = any_samples},
      {.name = "ReluGrad",
       .inputs = {Carrier, Own},
       .outputs = {Carrier},
       .infer = infer_masked_grad,
       .flops = per_input<1>,
       .samples = [] { return masked_pairs({}); }},
      {.name = "Clip",
       .inputs = {Carrier},
       .outputs = {Carrier, Own},
       .infer = infer_masked,
       .gradient = gradient_from_mask,
       .flops = per_input<2>,
       .samples = [] { return with(clip_bounds()); }},
      {.name = "ClipGrad",
       .inputs = {Carrier, Own},
       .outputs = {Carrier},
       .infer = infer_masked_grad,
       .flops = per_input<1>,
       .samples = [] { return masked_pairs(clip_bounds()); }},
      {.name = "Neg",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_unary,
       .gradient = gradient_by_itself,
       .flops = per_input<1>,
       .samples = any_samples},
      {.name = "Scale",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_unary,
       .gradient = gradient_by_itself,
       .flops = per_input<1>,
       .samples =
           [] {
             return with({{"factor", -0.375}});
           }},
      {.name = "Sum2",
       .inputs = {Carrier, Carrier},
       .outputs = {Carrier},
       .infer = infer_pair,
       .gradient = sum2_gradient,
       .flops = per_input<1>,
       .samples = pair_samples},
  };
  for (const Smooth& row : kSmooth) add_smooth(ops, row);
  return ops;
}

}  // namespace mpsearch
