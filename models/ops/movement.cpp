#include <numeric>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

Types infer_concat(const Attributes& attributes, TypeSpan inputs) {
  require(!inputs.empty(), ErrorKind::BadContent, "a Concat of nothing");
  const std::size_t axis = axis_of(attributes, "axis", inputs[0].shape.size());
  TensorType y = carried(inputs[0]);
  y.shape[axis] = 0;
  for (const TensorType& x : inputs) {
    Shape rest = x.shape;
    if (axis < rest.size()) rest[axis] = y.shape[axis];
    expect_shape("an input of Concat, its axis apart,", rest, y.shape);
    expect_dtype("an input of Concat", carried(x), y.form.dtype);
    y.shape[axis] += x.shape[axis];
  }
  return {y};
}

void concat_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const std::size_t rank = shape_of(builder, dy).size();
  const auto axis = static_cast<std::size_t>(node.attributes.integer("axis", 0));
  Shape starts(rank, 0);
  for (const ValueId input : node.inputs) {
    const Shape shape = shape_of(builder, input);
    if (builder.wanted(input)) {
      builder.add(input,
                  builder.node("dx", "Slice", {dy},
                               {{"starts", starts}, {"steps", Shape(rank, 1)}, {"shape", shape}}));
    }
    starts[axis] += shape[axis];
  }
}

/// Refuses a slice of a tensor `large` that leaves it.
void expect_slice(const Attributes& attributes, const Shape& large, const Shape& small) {
  const Shape starts = attributes.integers("starts");
  const Shape steps = attributes.integers("steps");
  bool fits =
      starts.size() == large.size() && steps.size() == large.size() && small.size() == large.size();
  for (std::size_t dim = 0; fits && dim < large.size(); ++dim) {
    const Int last = starts[dim] + (small[dim] - 1) * steps[dim];
    const bool inside =
        starts[dim] >= 0 && starts[dim] < large[dim] && last >= 0 && last < large[dim];
    fits = steps[dim] != 0 && (small[dim] == 0 || inside);
  }
  require(fits, ErrorKind::BadContent,
          "a slice of shape " + to_string(small) + " from " + to_string(starts) + " in steps of " +
              to_string(steps) + " does not lie in " + to_string(large));
}

Types infer_slice(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape shape = attributes.integers("shape");
  expect_slice(attributes, inputs[0].shape, shape);
  return {typed(carried(inputs[0]).form.dtype, shape)};
}

Types infer_slice_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape shape = attributes.integers("input_shape");
  expect_slice(attributes, shape, inputs[0].shape);
  return {typed(carried(inputs[0]).form.dtype, shape)};
}

void slice_gradient(GradientBuilder& builder, const Node& node) {
  builder.add_slice(node.inputs[0], first_gradient(builder, node), node.attributes);
}

void slice_grad_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0], builder.node("dx", "Slice", {first_gradient(builder, node)},
                                           {{"starts", node.attributes.integers("starts")},
                                            {"steps", node.attributes.integers("steps")},
                                            {"shape", shape_of(builder, node.inputs[0])}}));
}

/// The shape of a padded tensor.
Shape padded(const Attributes& attributes, const Shape& x) {
  const Shape pads = attributes.integers("pads");
  const std::string mode = attributes.text("mode", "constant");
  require(pads.size() == 2 * x.size(), ErrorKind::BadContent,
          "pads " + to_string(pads) + " do not fit a tensor of shape " + to_string(x));
  Shape y = x;
  for (std::size_t dim = 0; dim < x.size(); ++dim) {
    const Int before = pads[dim];
    const Int after = pads[dim + x.size()];
    require(before >= 0 && after >= 0 && before < (Int{1} << 40) && after < (Int{1} << 40),
            ErrorKind::BadContent, "pads " + to_string(pads) + " must be 0 or more");
    const Int most = mode == "reflect" ? x[dim] - 1 : before + after;
    require(before <= most && after <= most && (mode == "constant" || x[dim] > 0 || most == 0),
            ErrorKind::BadContent,
            "pads " + to_string(pads) + " in mode " + mode + " are too large for " + to_string(x));
    y[dim] += before + after;
  }
  return y;
}

Types infer_pad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {typed(carried(inputs[0]).form.dtype, padded(attributes, inputs[0].shape))};
}

Types infer_pad_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape shape = attributes.integers("input_shape");
  expect_shape("dy", inputs[0].shape, padded(attributes, shape));
  return {f32(shape)};
}

void pad_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const Shape x = shape_of(builder, node.inputs[0]);
  const Shape pads = node.attributes.integers("pads");
  if (node.attributes.text("mode", "constant") == "constant") {
    const Shape before(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(x.size()));
    builder.add(node.inputs[0],
                builder.node("dx", "Slice", {dy},
                             {{"starts", before}, {"steps", Shape(x.size(), 1)}, {"shape", x}}));
    return;
  }
  builder.add(node.inputs[0], builder.node("dx", "PadGrad", {dy},
                                           {{"pads", pads},
                                            {"mode", node.attributes.text("mode", "")},
                                            {"input_shape", x}}));
}

std::vector<OpSample> concat_samples() {
  const auto axis = [](Int at) { return Attributes{{"axis", at}}; };
  return {{"channels", axis(1), {f32({2, 3, 4, 5}), f32({2, 1, 4, 5}), f32({2, 8, 4, 5})}},
          {"batch", axis(0), {f32({2, 3, 4, 5}), f32({3, 3, 4, 5})}},
          {"width", axis(3), {f32({2, 3, 4, 5}), f32({2, 3, 4, 1})}},
          {"one", axis(0), {f32({7})}},
          {"class_token", axis(1), {f32({2, 1, 6}), f32({2, 9, 6})}},
          {"rows", axis(0), {f32({5, 33}), f32({2, 33}), f32({1, 33})}}};
}

Attributes slice(Shape starts, Shape steps, Shape shape) {
  return {{"starts", std::move(starts)}, {"steps", std::move(steps)}, {"shape", std::move(shape)}};
}

struct SliceCase {
  const char* name;
  Shape x, starts, steps, y;
};

std::vector<SliceCase> slice_cases() {
  return {{"channels", {2, 6, 4, 5}, {0, 2, 0, 0}, {1, 1, 1, 1}, {2, 3, 4, 5}},
          {"strided", {2, 3, 7, 8}, {0, 0, 1, 0}, {1, 1, 2, 3}, {2, 3, 3, 3}},
          {"reversed", {2, 3, 7, 8}, {1, 0, 6, 7}, {-1, 1, -2, -3}, {2, 3, 4, 2}},
          {"token", {3, 5, 8}, {0, 4, 0}, {1, 1, 1}, {3, 1, 8}},
          {"columns", {9, 40}, {0, 7}, {1, 1}, {9, 20}},
          {"vector", {11}, {9}, {-4}, {3}},
          {"whole", {4, 6}, {0, 0}, {1, 1}, {4, 6}}};
}

std::vector<OpSample> slice_samples() {
  std::vector<OpSample> samples;
  for (const SliceCase& of : slice_cases()) {
    samples.push_back({of.name, slice(of.starts, of.steps, of.y), {f32(of.x)}});
  }
  return samples;
}

std::vector<OpSample> slice_grad_samples() {
  std::vector<OpSample> samples;
  for (const SliceCase& of : slice_cases()) {
    samples.push_back({of.name,
                       {{"starts", of.starts}, {"steps", of.steps}, {"input_shape", of.x}},
                       {f32(of.y)}});
  }
  return samples;
}

struct PadCase {
  const char* name;
  Shape x, pads;
};

std::vector<PadCase> pad_cases() {
  return {{"image", {2, 3, 4, 5}, {0, 0, 1, 2, 0, 0, 3, 1}},
          {"channels", {2, 3, 4, 5}, {0, 2, 0, 0, 0, 1, 0, 0}},
          {"sequence", {2, 6, 3}, {0, 0, 2, 0, 0, 1}},
          {"vector", {5}, {4, 3}},
          {"nothing", {3, 4}, {0, 0, 0, 0}}};
}

std::vector<OpSample> pad_samples() {
  std::vector<OpSample> samples;
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"}) {
    for (const PadCase& of : pad_cases()) {
      Attributes attributes{{"pads", of.pads}, {"mode", mode}};
      if (mode == "constant") attributes.set("value", 0.5);
      samples.push_back({mode + "_" + of.name, attributes, {f32(of.x)}});
    }
  }
  return samples;
}

std::vector<OpSample> pad_grad_samples() {
  std::vector<OpSample> samples;
  for (const OpSample& of : pad_samples()) {
    Attributes attributes = of.attributes;
    attributes.set("input_shape", of.inputs[0].shape);
    samples.push_back({of.name, attributes, {f32(padded(of.attributes, of.inputs[0].shape))}});
  }
  return samples;
}

}  // namespace

std::vector<OpDef> movement_ops() {
  using enum Role;
  return {{.name = "Concat",
           .inputs = {Carrier},
           .outputs = {Carrier},
           .infer = infer_concat,
           .gradient = concat_gradient,
           .flops = no_flops,
           .samples = concat_samples},
          {.name = "Slice",
           .inputs = {Carrier},
           .outputs = {Carrier},
           .infer = infer_slice,
           .gradient = slice_gradient,
           .flops = no_flops,
           .samples = slice_samples},
          {.name = "SliceGrad",
           .inputs = {Carrier},
           .outputs = {Carrier},
           .infer = infer_slice_grad,
           .gradient = slice_grad_gradient,
           .flops = no_flops,
           .samples = slice_grad_samples},
          {.name = "Pad",
           .inputs = {Carrier},
           .outputs = {Carrier},
           .infer = infer_pad,
           .gradient = pad_gradient,
           .flops = no_flops,
           .samples = pad_samples},
          {.name = "PadGrad",
           .inputs = {Carrier},
           .outputs = {Carrier},
           .infer = infer_pad_grad,
           .flops = per_input<1>,
           .samples = pad_grad_samples}};
}

}  // namespace mpsearch
