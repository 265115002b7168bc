#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

Types infer_binary(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  return {f32(broadcast_shape(inputs[0].shape, inputs[1].shape))};
}

Types infer_grad_of_pair(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 3, 3);
  expect_shape("dy", inputs[0].shape, broadcast_shape(inputs[1].shape, inputs[2].shape));
  return {f32(inputs[0].shape)};
}

Types infer_sum_to(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape shape = attributes.integers("shape");
  expect_broadcast(shape, inputs[0].shape);
  return {f32(shape)};
}

Types infer_broadcast_to(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape shape = attributes.integers("shape");
  expect_broadcast(inputs[0].shape, shape);
  return {typed(carried(inputs[0]).form.dtype, shape)};
}

void add_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  for (const ValueId input : node.inputs) {
    if (builder.wanted(input)) builder.add(input, reduce_to(builder, dy, input));
  }
}

void sub_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const ValueId a = node.inputs[0];
  const ValueId b = node.inputs[1];
  if (builder.wanted(a)) builder.add(a, reduce_to(builder, dy, a));
  if (!builder.wanted(b)) return;
  const Shape shape = shape_of(builder, b);
  builder.add(b, shape == shape_of(builder, dy) ? builder.node("db", "Neg", {dy})
                                                : summed_to(builder, dy, shape, -1));
}

void mul_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const ValueId a = node.inputs[0];
  const ValueId b = node.inputs[1];
  if (builder.wanted(a)) {
    builder.add(a, reduce_to(builder, builder.node("da", "Mul", {dy, b}), a));
  }
  if (builder.wanted(b)) {
    builder.add(b, reduce_to(builder, builder.node("db", "Mul", {dy, a}), b));
  }
}

void div_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const ValueId a = node.inputs[0];
  const ValueId b = node.inputs[1];
  if (builder.wanted(a)) {
    builder.add(a, reduce_to(builder, builder.node("da", "Div", {dy, b}), a));
  }
  if (builder.wanted(b)) {
    builder.add(b, reduce_to(builder, builder.node("db", "DivGradB", {dy, a, b}), b));
  }
}

/// da = NAMEGradA(dy, a, b), db = NAMEGradB(dy, a, b), each summed over what it repeats.
void gradient_from_both(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const std::string name(node.op->name);
  const auto add = [&](std::size_t input, const std::string& suffix, const std::string& op) {
    const ValueId to = node.inputs[input];
    if (!builder.wanted(to)) return;
    const ValueId whole = builder.node(suffix, op, {dy, node.inputs[0], node.inputs[1]});
    builder.add(to, reduce_to(builder, whole, to));
  };
  add(0, "da", name + "GradA");
  add(1, "db", name + "GradB");
}

void sum_to_gradient(GradientBuilder& builder, const Node& node) {
  Attributes attributes = node.attributes;
  attributes.set("shape", shape_of(builder, node.inputs[0]));
  builder.add(node.inputs[0], builder.node("dx", "BroadcastTo", {first_gradient(builder, node)},
                                           std::move(attributes)));
}

void broadcast_to_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0],
              summed_to(builder, first_gradient(builder, node), shape_of(builder, node.inputs[0]),
                        node.attributes.number("scale", 1)));
}

struct Pair {
  const char* name;
  Shape a, b;
};

/// Every form of broadcasting: none, scalar, channel, both ways, missing dims, zero strides inside.
std::vector<Pair> pairs() {
  return {{"same", {2, 3, 4, 5}, {2, 3, 4, 5}},
          {"same_wide", {3, 40, 9, 8}, {3, 40, 9, 8}},
          {"scalar", {3, 7}, {}},
          {"scalar_first", {}, {3, 7}},
          {"row", {4, 7}, {7}},
          {"column", {4, 7}, {4, 1}},
          {"channel", {2, 5, 4, 3}, {5, 1, 1}},
          {"channel_wide", {2, 40, 6, 6}, {1, 40, 1, 1}},
          {"image_times_gate", {2, 5, 4, 3}, {2, 5, 1, 1}},
          {"middle", {2, 3, 4, 5}, {2, 1, 4, 1}},
          {"both_ways", {4, 1, 3}, {5, 1}},
          {"first_shorter", {5}, {2, 3, 5}},
          {"ones", {1, 1}, {1, 1, 1}},
          {"sequence", {2, 6, 33}, {1, 6, 33}}};
}

std::vector<OpSample> binary_samples() {
  std::vector<OpSample> samples;
  for (const Pair& pair : pairs()) samples.push_back({pair.name, {}, {f32(pair.a), f32(pair.b)}});
  return samples;
}

/// Divisors keep away from zero.
std::vector<OpSample> positive_samples() {
  std::vector<OpSample> samples = binary_samples();
  for (OpSample& sample : samples) {
    sample.low = 0.5;
    sample.high = 2;
  }
  return samples;
}

std::vector<OpSample> grad_samples() {
  std::vector<OpSample> samples = positive_samples();
  for (OpSample& sample : samples) {
    const Shape y = broadcast_shape(sample.inputs[0].shape, sample.inputs[1].shape);
    sample.inputs.insert(sample.inputs.begin(), f32(y));
  }
  return samples;
}

/// From the small shape to the large one, or back.
std::vector<OpSample> resize_samples(bool to_large) {
  std::vector<OpSample> samples;
  for (const Pair& pair : pairs()) {
    const Shape large = broadcast_shape(pair.a, pair.b);
    for (const bool scaled : {false, true}) {
      Attributes attributes{{"shape", to_large ? large : pair.b}};
      if (scaled) attributes.set("scale", -0.375);
      samples.push_back({std::string(pair.name) + (scaled ? "_scaled" : ""),
                         attributes,
                         {f32(to_large ? pair.b : large)}});
    }
  }
  return samples;
}

OpDef binary(std::string_view name, void (*gradient)(GradientBuilder&, const Node&),
             std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier, Carrier},
          .outputs = {Carrier},
          .infer = infer_binary,
          .gradient = gradient,
          .flops = per_output<1>,
          .samples = samples};
}

OpDef grad_of_pair(std::string_view name) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier, Carrier, Carrier},
          .outputs = {Carrier},
          .infer = infer_grad_of_pair,
          .flops = per_output<4>,
          .samples = grad_samples};
}

}  // namespace

std::vector<OpDef> broadcast_ops() {
  using enum Role;
  return {
      binary("Add", add_gradient, binary_samples),
      binary("Sub", sub_gradient, binary_samples),
      binary("Mul", mul_gradient, binary_samples),
      binary("Div", div_gradient, positive_samples),
      binary("Min", gradient_from_both, binary_samples),
      binary("Max", gradient_from_both, binary_samples),
      binary("Pow", gradient_from_both, positive_samples),
      binary("PRelu", gradient_from_both, binary_samples),
      grad_of_pair("DivGradB"),
      grad_of_pair("MinGradA"),
      grad_of_pair("MinGradB"),
      grad_of_pair("MaxGradA"),
      grad_of_pair("MaxGradB"),
      grad_of_pair("PowGradA"),
      grad_of_pair("PowGradB"),
      grad_of_pair("PReluGradA"),
      grad_of_pair("PReluGradB"),
      {.name = "SumTo",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_sum_to,
       .gradient = sum_to_gradient,
       .flops = per_input<1>,
       .samples = [] { return resize_samples(false); }},
      {.name = "BroadcastTo",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_broadcast_to,
       .gradient = broadcast_to_gradient,
       .flops = per_output<1>,
       .samples = [] { return resize_samples(true); }},
  };
}

}  // namespace mpsearch
