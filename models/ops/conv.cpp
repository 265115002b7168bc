#include "models/ops/families.h"
#include "models/ops/rules.h"
#include "models/ops/window.h"

namespace mpsearch {
namespace {

Types infer_conv(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 3);
  const Shape& x = inputs[0].shape;
  const Shape& w = inputs[1].shape;
  require(x.size() >= 3 && w.size() == x.size(), ErrorKind::BadContent,
          "data " + to_string(x) + " and weights " + to_string(w) +
              " of a convolution must have the same rank, at least 3");
  const std::int64_t group = attributes.integer("group", 1);
  require(group >= 1 && w[0] % group == 0 && w[1] * group == x[1], ErrorKind::BadContent,
          "weights " + to_string(w) + " in " + std::to_string(group) + " groups do not fit " +
              std::to_string(x[1]) + " input channels");
  if (inputs.size() > 2) expect_shape("the bias", inputs[2].shape, {w[0]});
  const Window window = window_of(attributes, spatial_of(w));
  Shape y{x[0], w[0]};
  for (const std::int64_t size : window_positions(window, spatial_of(x), false)) y.push_back(size);
  return {f32(y)};
}

Types infer_grad_input(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  const TensorType x = f32(attributes.integers("input_shape"));
  const Types call{x, inputs[1]};
  expect_shape("dy", inputs[0].shape, infer_conv(attributes, call)[0].shape);
  return {x};
}

Types infer_grad_weight(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  const TensorType w = f32(attributes.integers("weight_shape"));
  const Types call{inputs[0], w};
  expect_shape("dy", inputs[1].shape, infer_conv(attributes, call)[0].shape);
  return {w};
}

Types infer_bias_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape& dy = inputs[0].shape;
  return {f32({dy[axis_of(attributes, "axis", dy.size())]})};
}

/// Multiplications and additions of the convolution with output y and weights w.
double conv_flops(const TensorType& y, const Shape& w) {
  return 2.0 * static_cast<double>(y.elements()) *
         static_cast<double>(elements_of(Shape(w.begin() + 1, w.end())));
}

/// Gradients of the bias, and of the weights, with which a convolution takes `from` to `to`.
void add_parameter_gradients(GradientBuilder& builder, const Node& node, ValueId from, ValueId to) {
  const ValueId w = node.inputs[1];
  // The order frees first dy's carrier (which the bias reads), then x.
  if (node.inputs.size() > 2 && builder.wanted(node.inputs[2])) {
    builder.add(node.inputs[2], builder.node("db", "BiasGrad", {first_gradient(builder, node)},
                                             {{"axis", std::int64_t{1}}}));
  }
  if (!builder.wanted(w)) return;
  Attributes attributes = node.attributes;
  attributes.set("weight_shape", shape_of(builder, w));
  builder.add(w, builder.node("dw", "ConvGradWeight", {from, to}, std::move(attributes)));
}

void conv_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const ValueId x = node.inputs[0];
  const ValueId w = node.inputs[1];
  add_parameter_gradients(builder, node, x, dy);
  if (builder.wanted(x)) {
    Attributes attributes = node.attributes;
    attributes.set("input_shape", shape_of(builder, x));
    builder.add(x, builder.node("dx", "ConvGradInput", {dy, w}, std::move(attributes)));
  }
}

/// What a convolution with the same weights would take from y to x (ONNX, ConvTranspose).
Types infer_conv_transpose(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 3);
  const Shape& x = inputs[0].shape;
  const Shape& w = inputs[1].shape;
  const std::int64_t group = attributes.integer("group", 1);
  require(x.size() >= 3 && w.size() == x.size() && w[0] == x[1] && group >= 1 && w[0] % group == 0,
          ErrorKind::BadContent,
          "weights " + to_string(w) + " in " + std::to_string(group) +
              " groups do not fit the data " + to_string(x) + " of a transposed convolution");
  Shape y{x[0], w[1] * group};
  if (inputs.size() > 2) expect_shape("the bias", inputs[2].shape, {y[1]});
  const Window window = window_of(attributes, spatial_of(w));
  const Shape extra = attributes.has("output_padding") ? attributes.integers("output_padding")
                                                       : Shape(window.kernel.size(), 0);
  require(extra.size() == window.kernel.size(), ErrorKind::BadContent,
          "output_padding is " + to_string(extra) + ", expected one entry a spatial dimension");
  for (std::size_t i = 0; i < extra.size(); ++i) {
    require(extra[i] >= 0 && extra[i] < window.strides[i], ErrorKind::BadContent,
            "output_padding " + to_string(extra) + " is not below the strides " +
                to_string(window.strides));
    const std::int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
    y.push_back(window.strides[i] * (x[i + 2] - 1) + reach + extra[i] - window.begin[i] -
                window.end[i]);
    require(
        y.back() >= 1, ErrorKind::BadContent,
        "a transposed convolution whose padding leaves nothing of dimension " + std::to_string(i));
  }
  return {f32(y)};
}

void conv_transpose_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const ValueId x = node.inputs[0];
  const ValueId w = node.inputs[1];
  add_parameter_gradients(builder, node, dy, x);
  if (builder.wanted(x)) {
    builder.add(x, builder.node("dx", "Conv", {dy, w}, node.attributes));
  }
}

std::vector<OpSample> conv_transpose_samples() {
  using Ints = Shape;
  const auto sample = [](std::string name, Shape x, Shape w, std::int64_t bias,
                         Attributes attributes) {
    Types inputs{f32(std::move(x)), f32(std::move(w))};
    if (bias > 0) inputs.push_back(f32({bias}));
    return OpSample{
        .name = std::move(name), .attributes = std::move(attributes), .inputs = std::move(inputs)};
  };
  return {
      sample("k3", {2, 3, 4, 5}, {3, 4, 3, 3}, 4, {}),
      sample("k2s2", {2, 6, 5, 4}, {6, 3, 2, 2}, 0, {{"strides", Ints{2, 2}}}),
      sample("k3s2p1_output_padding", {2, 4, 5, 4}, {4, 5, 3, 3}, 5,
             {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 0}}}),
      sample("asymmetric_pads", {1, 3, 5, 6}, {3, 2, 4, 3}, 0,
             {{"strides", Ints{2, 3}}, {"pads", Ints{0, 1, 2, 0}}}),
      sample("dilated", {1, 2, 4, 4}, {2, 3, 3, 2}, 3, {{"dilations", Ints{2, 3}}}),
      sample("grouped", {2, 6, 4, 4}, {6, 2, 3, 3}, 4,
             {{"group", std::int64_t{2}}, {"strides", Ints{2, 1}}}),
      sample("depthwise", {2, 5, 4, 4}, {5, 1, 3, 3}, 5, {{"group", std::int64_t{5}}}),
      sample("line", {2, 3, 7}, {3, 4, 4}, 4, {{"strides", Ints{2}}, {"pads", Ints{1, 1}}}),
      sample("volume", {1, 2, 3, 4, 3}, {2, 3, 2, 3, 2}, 0, {{"strides", Ints{2, 1, 2}}}),
      sample("wide", {2, 32, 5, 6}, {32, 40, 3, 3}, 40,
             {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}),
  };
}

std::vector<OpSample> conv_samples() {
  const auto sample = [](std::string name, Shape x, Shape w, bool bias, Attributes attributes) {
    Types inputs{f32(std::move(x)), f32(w)};
    if (bias) inputs.push_back(f32({w[0]}));
    return OpSample{
        .name = std::move(name), .attributes = std::move(attributes), .inputs = std::move(inputs)};
  };
  using Ints = Shape;
  return {
      sample("k3p1", {2, 3, 6, 5}, {4, 3, 3, 3}, true, {{"pads", Ints{1, 1, 1, 1}}}),
      sample("k1", {2, 5, 4, 3}, {7, 5, 1, 1}, false, {}),
      sample("k5s2", {1, 2, 11, 9}, {3, 2, 5, 5}, true, {{"strides", Ints{2, 2}}}),
      sample("k3s2_asymmetric_pads", {2, 3, 8, 7}, {4, 3, 3, 2}, true,
             {{"strides", Ints{2, 1}}, {"pads", Ints{0, 1, 2, 0}}}),
      sample("dilated", {1, 3, 9, 10}, {2, 3, 3, 3}, false,
             {{"dilations", Ints{2, 3}}, {"pads", Ints{2, 3, 1, 0}}, {"strides", Ints{1, 2}}}),
      sample("grouped", {2, 6, 5, 5}, {4, 3, 3, 3}, true,
             {{"group", std::int64_t{2}}, {"pads", Ints{1, 1, 1, 1}}}),
      sample("depthwise", {2, 4, 6, 6}, {4, 1, 3, 3}, false,
             {{"group", std::int64_t{4}}, {"pads", Ints{1, 1, 1, 1}}, {"strides", Ints{2, 2}}}),
      sample("depthwise_multiplied", {1, 3, 5, 5}, {6, 1, 3, 3}, true,
             {{"group", std::int64_t{3}}}),
      sample("stride_skips_input", {1, 2, 6, 6}, {2, 2, 2, 2}, true, {{"strides", Ints{3, 3}}}),
      sample("wide", {2, 32, 6, 5}, {40, 32, 3, 3}, true, {{"pads", Ints{1, 1, 1, 1}}}),
      sample("line", {2, 3, 9}, {4, 3, 3}, true, {{"strides", Ints{2}}, {"pads", Ints{1, 0}}}),
      sample("volume", {1, 2, 4, 5, 4}, {3, 2, 2, 3, 2}, true,
             {{"strides", Ints{1, 2, 1}}, {"pads", Ints{0, 1, 1, 0, 1, 0}}}),
  };
}

/// The calls of the gradients that belong to the convolutions above.
std::vector<OpSample> grad_samples(bool of_input) {
  std::vector<OpSample> samples = conv_samples();
  for (OpSample& sample : samples) {
    const TensorType y = infer_conv(sample.attributes, sample.inputs)[0];
    const TensorType x = sample.inputs[0];
    const TensorType w = sample.inputs[1];
    if (of_input) {
      sample.attributes.set("input_shape", x.shape);
      sample.inputs = {y, w};
    } else {
      sample.attributes.set("weight_shape", w.shape);
      sample.inputs = {x, y};
    }
  }
  return samples;
}

}  // namespace

std::vector<OpDef> conv_ops() {
  using enum Role;
  return {
      {.name = "Conv",
       .inputs = {Operand, Operand, F32},
       .outputs = {Carrier},
       .infer = infer_conv,
       .gradient = conv_gradient,
       .flops = [](const Attributes&, TypeSpan inputs,
                   TypeSpan outputs) { return conv_flops(outputs[0], inputs[1].shape); },
       .samples = conv_samples,
       .layout = LayoutRule::Image,
       .weight = 1,
       .compute = true},
      {.name = "ConvTranspose",
       .inputs = {Operand, Operand, F32},
       .outputs = {Carrier},
       .infer = infer_conv_transpose,
       .gradient = conv_transpose_gradient,
       .flops = [](const Attributes&, TypeSpan inputs,
                   TypeSpan) { return conv_flops(inputs[0], inputs[1].shape); },
       .samples = conv_transpose_samples,
       .layout = LayoutRule::Image,
       .weight = 1,
       .compute = true},
      {.name = "ConvGradInput",
       .inputs = {Operand, Operand},
       .outputs = {Carrier},
       .infer = infer_grad_input,
       .flops = [](const Attributes&, TypeSpan inputs,
                   TypeSpan) { return conv_flops(inputs[0], inputs[1].shape); },
       .samples = [] { return grad_samples(true); },
       .layout = LayoutRule::Image,
       .weight = 1},
      {.name = "ConvGradWeight",
       .inputs = {Operand, Operand},
       .outputs = {F32},
       .infer = infer_grad_weight,
       .flops = [](const Attributes&, TypeSpan inputs,
                   TypeSpan outputs) { return conv_flops(inputs[1], outputs[0].shape); },
       .samples = [] { return grad_samples(false); },
       .layout = LayoutRule::Image},
      {.name = "BiasGrad",
       .inputs = {Carrier},
       .outputs = {F32},
       .infer = infer_bias_grad,
       .flops = per_input<1>,
       .samples = []() -> std::vector<OpSample> {
         return {{"image", {{"axis", std::int64_t{1}}}, {f32({3, 5, 4, 7})}},
                 {"image_wide", {{"axis", std::int64_t{1}}}, {f32({2, 40, 9, 8})}},
                 {"matrix", {{"axis", std::int64_t{1}}}, {f32({37, 10})}},
                 {"sequence", {{"axis", std::int64_t{2}}}, {f32({3, 4, 65})}}};
       }},
  };
}

}  // namespace mpsearch
