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

/// What backward reads of forward: a mask that the op then gives as second output, or a value.
enum class Saved : std::uint8_t { Mask, Input, Output };

/// The range that samples are drawn from.
enum class Domain : std::uint8_t { Near, Wide, Positive, Unit, AboveOne };

/// Samples of an op with `inputs` inputs of one shape.
std::vector<OpSample> samples_of(const Attributes& attributes, Domain domain, std::size_t inputs) {
  std::vector<OpSample> samples;
  for (const Shape& shape : {Shape{2, 3, 4, 5}, Shape{67}, Shape{}, Shape{3, 40, 9, 8}}) {
    OpSample sample{
        .name = "rank" + std::to_string(shape.size()) + "_" + std::to_string(elements_of(shape)),
        .attributes = attributes,
        .inputs = Types(inputs, f32(shape))};
    if (domain == Domain::Wide) sample.low = -6, sample.high = 6;
    if (domain == Domain::Positive) sample.low = 0.25, sample.high = 4;
    if (domain == Domain::Unit) sample.low = -0.9, sample.high = 0.9;
    if (domain == Domain::AboveOne) sample.low = 1.25, sample.high = 4;
    samples.push_back(std::move(sample));
  }
  return samples;
}

template <auto Given, Domain Where, Saved Kind>
std::vector<OpSample> samples() {
  return samples_of(Given(), Where, 1);
}

template <auto Given, Domain Where, Saved Kind>
std::vector<OpSample> grad_samples() {
  std::vector<OpSample> list = samples_of(Given(), Where, 2);
  for (OpSample& sample : list) {
    if (Kind == Saved::Mask) sample.inputs[1].form.dtype = DType::BIT;
  }
  return list;
}

/// Both definitions of an element-wise function y = f(x): NAME, and NAMEGrad(dy, SAVED) with the
/// same attributes. `Given` gives those of the samples.
template <Saved Kind, int Flops, auto Given, Domain Where = Domain::Near>
void add_unary(std::vector<OpDef>& ops, std::string_view name, std::string_view grad,
               bool onnx = true) {
  using enum Role;
  constexpr bool kMask = Kind == Saved::Mask;
  ops.push_back({.name = name,
                 .inputs = {Carrier},
                 .outputs = kMask ? std::vector<Role>{Carrier, Own} : std::vector<Role>{Carrier},
                 .infer = kMask ? infer_masked : infer_unary,
                 .gradient = kMask                  ? gradient_from_mask
                             : Kind == Saved::Input ? gradient_from_input
                                                    : gradient_from_output,
                 .flops = per_input<Flops>,
                 .samples = samples<Given, Where, Kind>,
                 .onnx = onnx});
  ops.push_back({.name = grad,
                 .inputs = {Carrier, kMask ? Own : Carrier},
                 .outputs = {Carrier},
                 .infer = kMask ? infer_masked_grad : infer_pair,
                 .flops = per_input<Flops>,
                 .samples = grad_samples<Given, Where, Kind>});
}

Attributes none() { return {}; }

/// A function of steps: its gradient is 0, so that nothing is added.
void add_step(std::vector<OpDef>& ops, std::string_view name) {
  using enum Role;
  ops.push_back({.name = name,
                 .inputs = {Carrier},
                 .outputs = {Carrier},
                 .infer = infer_unary,
                 .gradient = [](GradientBuilder&, const Node&) {},
                 .flops = per_input<1>,
                 .samples = [] { return samples_of({}, Domain::Wide, 1); },
                 .onnx = true});
}

/// To add one: its functor in kernels/math, a row here, its definition in tests/support. The import
/// follows from the row.
void add_unary_ops(std::vector<OpDef>& ops) {
  using enum Saved;
  using enum Domain;
  constexpr auto kBounds = [] { return Attributes{{"min", -1.0}, {"max", 0.75}}; };
  constexpr auto kAlpha = [] { return Attributes{{"alpha", 0.3}}; };
  constexpr auto kLine = [] { return Attributes{{"alpha", 0.3}, {"beta", 0.4}}; };
  constexpr auto kHalf = [] { return Attributes{{"alpha", 0.5}}; };
  constexpr auto kShrink = [] { return Attributes{{"bias", 0.25}, {"lambd", 0.5}}; };
  constexpr auto kAlphaGamma = [] { return Attributes{{"alpha", 1.5}, {"gamma", 1.1}}; };
  add_unary<Mask, 1, none>(ops, "Relu", "ReluGrad");
  add_unary<Mask, 2, kBounds>(ops, "Clip", "ClipGrad");
  add_unary<Mask, 2, kAlpha>(ops, "LeakyRelu", "LeakyReluGrad");
  add_unary<Mask, 4, kLine, Wide>(ops, "HardSigmoid", "HardSigmoidGrad");
  add_unary<Input, 5, none, Wide>(ops, "HardSwish", "HardSwishGrad");
  add_unary<Output, 4, none>(ops, "Sigmoid", "SigmoidGrad");
  add_unary<Output, 4, none>(ops, "Tanh", "TanhGrad");
  add_unary<Input, 4, kAlpha>(ops, "Elu", "EluGrad");
  add_unary<Input, 5, kAlphaGamma>(ops, "Selu", "SeluGrad");
  add_unary<Input, 5, none, Wide>(ops, "Softplus", "SoftplusGrad");
  add_unary<Input, 8, none, Wide>(ops, "Gelu", "GeluGrad");
  add_unary<Input, 10, none, Wide>(ops, "GeluTanh", "GeluTanhGrad", false);
  add_unary<Input, 6, kAlpha, Wide>(ops, "Swish", "SwishGrad");
  add_unary<Input, 8, none, Wide>(ops, "Mish", "MishGrad");
  add_unary<Output, 1, none>(ops, "Exp", "ExpGrad");
  add_unary<Input, 1, none, Positive>(ops, "Log", "LogGrad");
  add_unary<Output, 1, none, Positive>(ops, "Sqrt", "SqrtGrad");
  add_unary<Output, 1, none, Positive>(ops, "Reciprocal", "ReciprocalGrad");
  add_unary<Input, 1, none>(ops, "Abs", "AbsGrad");
  add_unary<Input, 1, none>(ops, "Erf", "ErfGrad");
  add_unary<Input, 1, none, Wide>(ops, "Sin", "SinGrad");
  add_unary<Input, 1, none, Wide>(ops, "Cos", "CosGrad");
  add_unary<Output, 2, none, Unit>(ops, "Tan", "TanGrad");
  add_unary<Input, 4, none, Unit>(ops, "Asin", "AsinGrad");
  add_unary<Input, 4, none, Unit>(ops, "Acos", "AcosGrad");
  add_unary<Input, 4, none, Wide>(ops, "Atan", "AtanGrad");
  add_unary<Input, 4, none>(ops, "Sinh", "SinhGrad");
  add_unary<Input, 4, none>(ops, "Cosh", "CoshGrad");
  add_unary<Input, 4, none, Wide>(ops, "Asinh", "AsinhGrad");
  add_unary<Input, 4, none, AboveOne>(ops, "Acosh", "AcoshGrad");
  add_unary<Input, 4, none, Unit>(ops, "Atanh", "AtanhGrad");
  add_unary<Input, 2, none, Wide>(ops, "Softsign", "SoftsignGrad");
  add_unary<Input, 4, kHalf>(ops, "Celu", "CeluGrad");
  add_unary<Mask, 1, kHalf>(ops, "ThresholdedRelu", "ThresholdedReluGrad");
  add_unary<Mask, 2, kShrink>(ops, "Shrink", "ShrinkGrad");
  add_unary<Input, 1, none>(ops, "Square", "SquareGrad", false);
  for (const std::string_view name : {"Sign", "Floor", "Ceil", "Round"}) add_step(ops, name);
}

}  // namespace

std::vector<OpDef> elementwise_ops() {
  using enum Role;
  std::vector<OpDef> ops{
      {.name = "Neg",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_unary,
       .gradient = gradient_by_itself,
       .flops = per_input<1>,
       .samples = [] { return samples_of({}, Domain::Near, 1); },
       .onnx = true},
      {.name = "Scale",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_unary,
       .gradient = gradient_by_itself,
       .flops = per_input<1>,
       .samples =
           [] {
             return samples_of({{"factor", -0.375}}, Domain::Near, 1);
           }},
      {.name = "Sum2",
       .inputs = {Carrier, Carrier},
       .outputs = {Carrier},
       .infer = infer_pair,
       .gradient = sum2_gradient,
       .flops = per_input<1>,
       .samples = [] { return samples_of({}, Domain::Near, 2); }},
  };
  add_unary_ops(ops);
  return ops;
}

}  // namespace mpsearch
