#include <cmath>
#include <limits>
#include <numbers>
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
/// same attributes. `Given` gives those of the samples; slopes are functions of what is saved.
template <Saved Kind, int Flops, auto Given, Domain Where = Domain::Near>
void add_unary(std::vector<OpDef>& ops, std::string_view name, std::string_view grad, Exact exact,
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
                 .exact = exact,
                 .onnx = onnx});
  ops.push_back({.name = grad,
                 .inputs = {Carrier, kMask ? Own : Carrier},
                 .outputs = {Carrier},
                 .infer = kMask ? infer_masked_grad : infer_pair,
                 .flops = per_input<Flops>,
                 .samples = grad_samples<Given, Where, Kind>,
                 .exact = {.slope = exact.slope}});
}

using In = const Attributes&;

Attributes none() { return {}; }

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi;
constexpr double kSeluAlpha = 1.67326319217681884765625;
constexpr double kSeluGamma = 1.05070102214813232421875;

double alpha(In in, double otherwise) { return in.number("alpha", otherwise); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::log1p(std::exp(x)); }
double normal(double x) { return (1 + std::erf(x / std::sqrt(2))) / 2; }
double gelu_inner(double x) { return std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x); }
double gelu_inner_slope(double x) { return std::sqrt(2 / kPi) * (1 + 3 * 0.044715 * x * x); }
double hard_line(double x, In in) { return alpha(in, 0.2) * x + in.number("beta", 0.5); }
double by_mask(double mask, In) { return mask; }

/// A function of steps: its gradient is 0, so that nothing is added.
void add_step(std::vector<OpDef>& ops, std::string_view name, Exact exact) {
  using enum Role;
  ops.push_back({.name = name,
                 .inputs = {Carrier},
                 .outputs = {Carrier},
                 .infer = infer_unary,
                 .gradient = [](GradientBuilder&, const Node&) {},
                 .flops = per_input<1>,
                 .samples = [] { return samples_of({}, Domain::Wide, 1); },
                 .exact = exact,
                 .onnx = true});
}

/// To add one: its functor in kernels/math and a row here. Import and tests follow from them.
void add_unary_ops(std::vector<OpDef>& ops) {
  using enum Saved;
  using enum Domain;
  constexpr auto kBounds = [] { return Attributes{{"min", -1.0}, {"max", 0.75}}; };
  constexpr auto kAlpha = [] { return Attributes{{"alpha", 0.3}}; };
  constexpr auto kLine = [] { return Attributes{{"alpha", 0.3}, {"beta", 0.4}}; };
  constexpr auto kHalf = [] { return Attributes{{"alpha", 0.5}}; };
  constexpr auto kShrink = [] { return Attributes{{"bias", 0.25}, {"lambd", 0.5}}; };
  constexpr auto kAlphaGamma = [] { return Attributes{{"alpha", 1.5}, {"gamma", 1.1}}; };
  add_unary<Mask, 1, none>(
      ops, "Relu", "ReluGrad",
      {[](double x, In) { return x > 0 ? x : 0; }, by_mask, [](double x, In) { return x > 0; }});
  add_unary<Mask, 2, kBounds>(
      ops, "Clip", "ClipGrad",
      {[](double x, In in) {
         return std::fmin(std::fmax(x, in.number("min", -kInfinity)), in.number("max", kInfinity));
       },
       by_mask,
       [](double x, In in) {
         return x >= in.number("min", -kInfinity) && x <= in.number("max", kInfinity);
       }});
  add_unary<Mask, 2, kAlpha>(ops, "LeakyRelu", "LeakyReluGrad",
                             {[](double x, In in) { return x > 0 ? x : alpha(in, 0.01) * x; },
                              [](double mask, In in) { return mask > 0 ? 1 : alpha(in, 0.01); },
                              [](double x, In) { return x > 0; }});
  add_unary<Mask, 4, kLine, Wide>(
      ops, "HardSigmoid", "HardSigmoidGrad",
      {[](double x, In in) { return std::fmin(std::fmax(hard_line(x, in), 0), 1); },
       [](double mask, In in) { return mask * alpha(in, 0.2); },
       [](double x, In in) { return hard_line(x, in) > 0 && hard_line(x, in) < 1; }});
  add_unary<Input, 5, none, Wide>(
      ops, "HardSwish", "HardSwishGrad",
      {[](double x, In) { return x * std::fmin(std::fmax(x / 6 + 0.5, 0), 1); },
       [](double x, In) { return x <= -3  ? 0
                                 : x >= 3 ? 1
                                          : x / 3 + 0.5; }});
  add_unary<Output, 4, none>(
      ops, "Sigmoid", "SigmoidGrad",
      {[](double x, In) { return sigmoid(x); }, [](double y, In) { return y * (1 - y); }});
  add_unary<Output, 4, none>(
      ops, "Tanh", "TanhGrad",
      {[](double x, In) { return std::tanh(x); }, [](double y, In) { return 1 - y * y; }});
  add_unary<Input, 4, kAlpha>(
      ops, "Elu", "EluGrad",
      {[](double x, In in) { return x > 0 ? x : alpha(in, 1) * std::expm1(x); },
       [](double x, In in) { return x > 0 ? 1 : alpha(in, 1) * std::exp(x); }});
  add_unary<Input, 5, kAlphaGamma>(ops, "Selu", "SeluGrad",
                                   {[](double x, In in) {
                                      return in.number("gamma", kSeluGamma) *
                                             (x > 0 ? x : alpha(in, kSeluAlpha) * std::expm1(x));
                                    },
                                    [](double x, In in) {
                                      return in.number("gamma", kSeluGamma) *
                                             (x > 0 ? 1 : alpha(in, kSeluAlpha) * std::exp(x));
                                    }});
  add_unary<Input, 5, none, Wide>(
      ops, "Softplus", "SoftplusGrad",
      {[](double x, In) { return softplus(x); }, [](double x, In) { return sigmoid(x); }});
  add_unary<Input, 8, none, Wide>(
      ops, "Gelu", "GeluGrad",
      {[](double x, In) { return x * normal(x); },
       [](double x, In) { return normal(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * kPi); }});
  add_unary<Input, 10, none, Wide>(
      ops, "GeluTanh", "GeluTanhGrad",
      {[](double x, In) { return x * (1 + std::tanh(gelu_inner(x))) / 2; },
       [](double x, In) {
         const double t = std::tanh(gelu_inner(x));
         return (1 + t) / 2 + x * (1 - t * t) * gelu_inner_slope(x) / 2;
       }},
      false);
  add_unary<Input, 6, kAlpha, Wide>(ops, "Swish", "SwishGrad",
                                    {[](double x, In in) { return x * sigmoid(alpha(in, 1) * x); },
                                     [](double x, In in) {
                                       const double s = sigmoid(alpha(in, 1) * x);
                                       return s + alpha(in, 1) * x * s * (1 - s);
                                     }});
  add_unary<Input, 8, none, Wide>(ops, "Mish", "MishGrad",
                                  {[](double x, In) { return x * std::tanh(softplus(x)); },
                                   [](double x, In) {
                                     const double t = std::tanh(softplus(x));
                                     return t + x * (1 - t * t) * sigmoid(x);
                                   }});
  add_unary<Output, 1, none>(
      ops, "Exp", "ExpGrad",
      {[](double x, In) { return std::exp(x); }, [](double y, In) { return y; }});
  add_unary<Input, 1, none, Positive>(
      ops, "Log", "LogGrad",
      {[](double x, In) { return std::log(x); }, [](double x, In) { return 1 / x; }});
  add_unary<Output, 1, none, Positive>(
      ops, "Sqrt", "SqrtGrad",
      {[](double x, In) { return std::sqrt(x); }, [](double y, In) { return 1 / (2 * y); }});
  add_unary<Output, 1, none, Positive>(
      ops, "Reciprocal", "ReciprocalGrad",
      {[](double x, In) { return 1 / x; }, [](double y, In) { return -y * y; }});
  add_unary<Input, 1, none>(ops, "Abs", "AbsGrad",
                            {[](double x, In) { return std::fabs(x); },
                             [](double x, In) -> double { return x > 0   ? 1
                                                                 : x < 0 ? -1
                                                                         : 0; }});
  add_unary<Input, 1, none>(ops, "Erf", "ErfGrad",
                            {[](double x, In) { return std::erf(x); },
                             [](double x, In) { return 2 / std::sqrt(kPi) * std::exp(-x * x); }});
  add_unary<Input, 1, none, Wide>(
      ops, "Sin", "SinGrad",
      {[](double x, In) { return std::sin(x); }, [](double x, In) { return std::cos(x); }});
  add_unary<Input, 1, none, Wide>(
      ops, "Cos", "CosGrad",
      {[](double x, In) { return std::cos(x); }, [](double x, In) { return -std::sin(x); }});
  add_unary<Output, 2, none, Unit>(
      ops, "Tan", "TanGrad",
      {[](double x, In) { return std::tan(x); }, [](double y, In) { return 1 + y * y; }});
  add_unary<Input, 4, none, Unit>(ops, "Asin", "AsinGrad",
                                  {[](double x, In) { return std::asin(x); },
                                   [](double x, In) { return 1 / std::sqrt(1 - x * x); }});
  add_unary<Input, 4, none, Unit>(ops, "Acos", "AcosGrad",
                                  {[](double x, In) { return std::acos(x); },
                                   [](double x, In) { return -1 / std::sqrt(1 - x * x); }});
  add_unary<Input, 4, none, Wide>(
      ops, "Atan", "AtanGrad",
      {[](double x, In) { return std::atan(x); }, [](double x, In) { return 1 / (1 + x * x); }});
  add_unary<Input, 4, none>(
      ops, "Sinh", "SinhGrad",
      {[](double x, In) { return std::sinh(x); }, [](double x, In) { return std::cosh(x); }});
  add_unary<Input, 4, none>(
      ops, "Cosh", "CoshGrad",
      {[](double x, In) { return std::cosh(x); }, [](double x, In) { return std::sinh(x); }});
  add_unary<Input, 4, none, Wide>(ops, "Asinh", "AsinhGrad",
                                  {[](double x, In) { return std::asinh(x); },
                                   [](double x, In) { return 1 / std::sqrt(x * x + 1); }});
  add_unary<Input, 4, none, AboveOne>(ops, "Acosh", "AcoshGrad",
                                      {[](double x, In) { return std::acosh(x); },
                                       [](double x, In) { return 1 / std::sqrt(x * x - 1); }});
  add_unary<Input, 4, none, Unit>(
      ops, "Atanh", "AtanhGrad",
      {[](double x, In) { return std::atanh(x); }, [](double x, In) { return 1 / (1 - x * x); }});
  add_unary<Input, 2, none, Wide>(ops, "Softsign", "SoftsignGrad",
                                  {[](double x, In) { return x / (1 + std::fabs(x)); },
                                   [](double x, In) { return std::pow(1 + std::fabs(x), -2); }});
  add_unary<Input, 4, kHalf>(
      ops, "Celu", "CeluGrad",
      {[](double x, In in) { return x > 0 ? x : alpha(in, 1) * std::expm1(x / alpha(in, 1)); },
       [](double x, In in) { return x > 0 ? 1 : std::exp(x / alpha(in, 1)); }});
  add_unary<Mask, 1, kHalf>(ops, "ThresholdedRelu", "ThresholdedReluGrad",
                            {[](double x, In in) { return x > alpha(in, 1) ? x : 0; }, by_mask,
                             [](double x, In in) { return x > alpha(in, 1); }});
  add_unary<Mask, 2, kShrink>(
      ops, "Shrink", "ShrinkGrad",
      {[](double x, In in) {
         const double bias = in.number("bias", 0), limit = in.number("lambd", 0.5);
         return x < -limit ? x + bias : x > limit ? x - bias : 0;
       },
       by_mask, [](double x, In in) { return std::fabs(x) > in.number("lambd", 0.5); }});
  add_unary<Input, 1, none>(
      ops, "Square", "SquareGrad",
      {[](double x, In) { return x * x; }, [](double x, In) { return 2 * x; }}, false);
  add_step(ops, "Sign", {[](double x, In) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }});
  add_step(ops, "Floor", {[](double x, In) { return std::floor(x); }});
  add_step(ops, "Ceil", {[](double x, In) { return std::ceil(x); }});
  add_step(ops, "Round", {[](double x, In) { return std::nearbyint(x); }});
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
       .exact = {[](double x, In) { return -x; }},
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
