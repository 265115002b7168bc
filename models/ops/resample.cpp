// Resize (also the older Upsample), CumSum, Trilu.
#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

void expect_modes(const Attributes& attributes) {
  const std::string mode = attributes.text("mode", "nearest");
  require(mode == "nearest" || mode == "linear" || mode == "cubic", ErrorKind::BadContent,
          "the mode of a Resize is '" + mode + "', expected nearest, linear or cubic");
  for (const double scale : attributes.numbers("scales")) {
    require(scale > 0, ErrorKind::BadContent, "a Resize by " + std::to_string(scale));
  }
}

Types infer_resize(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  expect_modes(attributes);
  const Shape shape = attributes.integers("shape");
  bool good = shape.size() == inputs[0].shape.size();
  for (const std::int64_t size : shape) good = good && size >= 1;
  require(good, ErrorKind::BadContent,
          "a Resize of " + to_string(inputs[0].shape) + " to " + to_string(shape));
  return {f32(shape)};
}

Types infer_resize_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const TensorType x = f32(attributes.integers("input_shape"));
  expect_shape("dy", inputs[0].shape, infer_resize(attributes, {&x, 1})[0].shape);
  return {x};
}

void resize_gradient(GradientBuilder& builder, const Node& node) {
  Attributes attributes = node.attributes;
  attributes.set("input_shape", shape_of(builder, node.inputs[0]));
  builder.add(node.inputs[0], builder.node("dx", "ResizeGrad", {first_gradient(builder, node)},
                                           std::move(attributes)));
}

Types infer_cumsum(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  axis_of(attributes, "axis", inputs[0].shape.size());
  return {f32(inputs[0].shape)};
}

/// The sum of what comes after instead of before.
void cumsum_gradient(GradientBuilder& builder, const Node& node) {
  Attributes attributes = node.attributes;
  attributes.set("reverse", std::int64_t{attributes.integer("reverse", 0) == 0});
  builder.add(node.inputs[0],
              builder.node("dx", "CumSum", {first_gradient(builder, node)}, std::move(attributes)));
}

Types infer_trilu(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  require(inputs[0].shape.size() >= 2, ErrorKind::BadContent,
          "a triangle of " + to_string(inputs[0].shape) + ", expected a matrix at least");
  return {f32(inputs[0].shape)};
}

void trilu_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0],
              builder.node("dx", "Trilu", {first_gradient(builder, node)}, node.attributes));
}

std::vector<OpSample> resize_samples() {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape from, Shape to, std::string mode,
                       std::string coordinates, Attributes more = {}) {
    Attributes attributes = std::move(more);
    attributes.set("mode", std::move(mode));
    attributes.set("coordinate_transformation_mode", std::move(coordinates));
    attributes.set("shape", std::move(to));
    list.push_back({std::move(name), std::move(attributes), {f32(std::move(from))}});
  };
  const auto one = std::int64_t{1};
  const Attributes floor{{"nearest_mode", std::string("floor")}};
  const Attributes ceil{{"nearest_mode", std::string("ceil")}};
  const Attributes scales{{"scales", std::vector<double>{1, 1, 1.7, 0.8}}};
  const Attributes outside{{"exclude_outside", one}, {"cubic_coeff_a", -0.5}};
  const Attributes region{{"roi", std::vector<double>{0, 0, 0.2, -0.4, 1, 1, 0.8, 1.3}},
                          {"extrapolation_value", 1.5}};
  const Attributes antialias{{"antialias", one}};
  const Shape x{2, 3, 4, 5};
  add("nearest_twice", x, {2, 3, 8, 10}, "nearest", "asymmetric", floor);
  add("nearest_down", {1, 2, 7, 5}, {1, 2, 3, 4}, "nearest", "half_pixel", ceil);
  add("nearest_for_nn", {1, 2, 7, 5}, {1, 2, 3, 4}, "nearest", "tf_half_pixel_for_nn", floor);
  add("nearest_round", x, {2, 3, 6, 7}, "nearest", "half_pixel");
  add("linear_twice", x, {2, 3, 8, 10}, "linear", "half_pixel");
  add("linear_down", {2, 3, 9, 8}, {2, 3, 4, 3}, "linear", "half_pixel");
  add("linear_corners", x, {2, 3, 7, 9}, "linear", "align_corners");
  add("linear_to_one", x, {2, 3, 1, 7}, "linear", "pytorch_half_pixel");
  add("linear_scales", x, {2, 3, 6, 4}, "linear", "half_pixel_symmetric", scales);
  add("linear_antialias", {1, 2, 9, 8}, {1, 2, 4, 5}, "linear", "half_pixel", antialias);
  add("region", x, {2, 3, 5, 6}, "linear", "tf_crop_and_resize", region);
  add("cubic", x, {2, 3, 7, 9}, "cubic", "half_pixel");
  add("cubic_inside", x, {2, 3, 7, 3}, "cubic", "asymmetric", outside);
  add("cubic_antialias", {1, 2, 9, 8}, {1, 2, 4, 5}, "cubic", "half_pixel", antialias);
  add("line", {2, 3, 7}, {2, 3, 12}, "linear", "half_pixel");
  add("volume", {1, 2, 3, 4, 3}, {1, 2, 5, 4, 6}, "linear", "half_pixel");
  add("wide", {2, 40, 5, 6}, {2, 40, 10, 12}, "linear", "half_pixel");
  return list;
}

std::vector<OpSample> resize_grad_samples() {
  std::vector<OpSample> list = resize_samples();
  for (OpSample& sample : list) {
    sample.attributes.set("input_shape", sample.inputs[0].shape);
    sample.inputs = {f32(sample.attributes.integers("shape"))};
  }
  return list;
}

std::vector<OpSample> cumsum_samples() {
  std::vector<OpSample> list;
  const auto one = std::int64_t{1}, none = std::int64_t{0};
  for (const std::int64_t axis : {0, 1, 2}) {
    list.push_back({"axis" + std::to_string(axis), {{"axis", axis}}, {f32({3, 4, 5})}});
  }
  list.push_back({"exclusive", {{"axis", one}, {"exclusive", one}}, {f32({2, 7})}});
  list.push_back({"reverse", {{"axis", one}, {"reverse", one}}, {f32({2, 7})}});
  list.push_back(
      {"both", {{"axis", none}, {"exclusive", one}, {"reverse", one}}, {f32({6, 2, 3})}});
  list.push_back({"wide", {{"axis", one}}, {f32({5, 700})}});
  return list;
}

std::vector<OpSample> trilu_samples() {
  std::vector<OpSample> list;
  for (const std::int64_t upper : {0, 1}) {
    for (const std::int64_t k : {-2, 0, 1, 9}) {
      list.push_back({(upper != 0 ? "upper" : "lower") + std::to_string(k),
                      {{"upper", upper}, {"k", k}},
                      {f32({2, 4, 6})}});
    }
  }
  list.push_back({"wide", {{"upper", std::int64_t{0}}}, {f32({70, 600})}});
  return list;
}

}  // namespace

std::vector<OpDef> resample_ops() {
  using enum Role;
  return {
      {.name = "Resize",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_resize,
       .gradient = resize_gradient,
       .flops = per_output<8>,
       .samples = resize_samples},
      {.name = "ResizeGrad",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_resize_grad,
       .flops = per_input<8>,
       .samples = resize_grad_samples},
      {.name = "CumSum",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_cumsum,
       .gradient = cumsum_gradient,
       .flops = per_input<1>,
       .samples = cumsum_samples,
       .layout = LayoutRule::RowMajor},
      {.name = "Trilu",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_trilu,
       .gradient = trilu_gradient,
       .flops = no_flops,
       .samples = trilu_samples,
       .layout = LayoutRule::RowMajor},
  };
}

}  // namespace mpsearch
