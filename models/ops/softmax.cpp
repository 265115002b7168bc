#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

Types infer_softmax(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  axis_of(attributes, "axis", inputs[0].shape.size());
  return {f32(inputs[0].shape)};
}

Types infer_softmax_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  expect_shape("dy", inputs[0].shape, inputs[1].shape);
  axis_of(attributes, "axis", inputs[0].shape.size());
  return {f32(inputs[0].shape)};
}

void softmax_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  builder.add(node.inputs[0], builder.node("dx", std::string(node.op->name) + "Grad",
                                           {dy, node.outputs[0]}, node.attributes));
}

std::vector<OpSample> samples(std::size_t inputs) {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape shape, std::int64_t axis) {
    list.push_back({std::move(name), {{"axis", axis}}, Types(inputs, f32(std::move(shape)))});
  };
  add("matrix", {5, 7}, 1);
  add("columns", {5, 7}, 0);
  add("attention", {2, 3, 4, 6}, 3);
  add("channels", {2, 5, 3, 4}, 1);
  add("vector", {9}, 0);
  add("one_element", {4, 1}, 1);
  add("wide", {6, 131}, 1);
  return list;
}

OpDef forward(std::string_view name) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier},
          .outputs = {Carrier},
          .infer = infer_softmax,
          .gradient = softmax_gradient,
          .flops = per_input<6>,
          .samples = [] { return samples(1); },
          .layout = LayoutRule::RowMajor};
}

OpDef backward(std::string_view name) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier, Carrier},
          .outputs = {Carrier},
          .infer = infer_softmax_grad,
          .flops = per_input<4>,
          .samples = [] { return samples(2); },
          .layout = LayoutRule::RowMajor};
}

}  // namespace

std::vector<OpDef> softmax_ops() {
  return {forward("Softmax"), backward("SoftmaxGrad"), forward("LogSoftmax"),
          backward("LogSoftmaxGrad")};
}

}  // namespace mpsearch
