#include "models/ops/families.h"
#include "models/ops/rules.h"
#include "models/ops/window.h"

namespace mpsearch {
namespace {

Shape pooled(const Attributes& attributes, const Shape& x) {
  require(x.size() >= 3, ErrorKind::BadContent,
          "a pool of " + to_string(x) + ", expected batch, channels and a spatial dimension");
  const Window window = window_of(attributes, attributes.integers("kernel_shape"));
  for (std::size_t i = 0; i < window.kernel.size(); ++i) {
    const std::int64_t reach = (window.kernel[i] - 1) * window.dilations[i] + 1;
    require(window.begin[i] < reach && window.end[i] < reach, ErrorKind::BadContent,
            "padding of a pool is as large as its window, which would leave windows empty");
  }
  Shape y{x[0], x[1]};
  const bool ceil = attributes.integer("ceil_mode", 0) != 0;
  for (const std::int64_t size : window_positions(window, spatial_of(x), ceil)) y.push_back(size);
  return y;
}

Types infer_max_pool(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape y = pooled(attributes, inputs[0].shape);
  require(elements_of(attributes.integers("kernel_shape")) <= 256, ErrorKind::BadContent,
          "a MaxPool window of more than 256 elements is not supported: " +
              to_string(attributes.integers("kernel_shape")));
  return {f32(y), typed(DType::U8, y)};
}

Types infer_max_pool_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  const Shape x = attributes.integers("input_shape");
  expect_shape("dy", inputs[0].shape, pooled(attributes, x));
  expect_shape("the index", inputs[1].shape, inputs[0].shape);
  expect_dtype("the index", inputs[1], DType::U8);
  return {f32(x)};
}

Types infer_max_pool_places(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape y = pooled(attributes, attributes.integers("input_shape"));
  expect_dtype("the index", inputs[0], DType::U8);
  expect_shape("the index", inputs[0].shape, y);
  require(elements_of(attributes.integers("kernel_shape")) <= 256, ErrorKind::BadContent,
          "a window of more than 256 elements");
  return {typed(DType::I64, y)};
}

Types infer_average_pool(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {f32(pooled(attributes, inputs[0].shape))};
}

Types infer_average_pool_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape x = attributes.integers("input_shape");
  expect_shape("dy", inputs[0].shape, pooled(attributes, x));
  return {f32(x)};
}

Types infer_global(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  Shape y = inputs[0].shape;
  require(y.size() >= 3, ErrorKind::BadContent,
          "a pool of " + to_string(y) + ", expected batch, channels and a spatial dimension");
  for (std::size_t i = 2; i < y.size(); ++i) y[i] = 1;
  return {f32(y)};
}

Attributes with_input_shape(GradientBuilder& builder, const Node& node) {
  Attributes attributes = node.attributes;
  attributes.set("input_shape", shape_of(builder, node.inputs[0]));
  return attributes;
}

void max_pool_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId index = builder.saved_output(1);
  builder.add(node.inputs[0],
              builder.node("dx", "MaxPoolGrad", {first_gradient(builder, node), index},
                           with_input_shape(builder, node)));
}

void average_pool_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0], builder.node("dx", "AveragePoolGrad", {first_gradient(builder, node)},
                                           with_input_shape(builder, node)));
}

void global_gradient(GradientBuilder& builder, const Node& node) {
  const Shape x = shape_of(builder, node.inputs[0]);
  const auto count = static_cast<double>(elements_of(spatial_of(x)));
  builder.add(node.inputs[0], builder.node("dx", "BroadcastTo", {first_gradient(builder, node)},
                                           {{"shape", x}, {"scale", 1 / count}}));
}

double window_flops(const Attributes& attributes, TypeSpan, TypeSpan outputs) {
  return static_cast<double>(outputs[0].elements()) *
         static_cast<double>(elements_of(attributes.integers("kernel_shape")));
}

double window_grad_flops(const Attributes& attributes, TypeSpan inputs, TypeSpan) {
  return static_cast<double>(inputs[0].elements()) *
         static_cast<double>(elements_of(attributes.integers("kernel_shape")));
}

std::vector<OpSample> pool_samples() {
  using Ints = Shape;
  const auto one = std::int64_t{1};
  const auto sample = [](std::string name, Shape x, Attributes attributes) {
    return OpSample{std::move(name), std::move(attributes), {f32(std::move(x))}};
  };
  return {
      sample("k2s2", {2, 3, 6, 8}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}),
      sample("k3s2p1", {2, 3, 7, 6},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}}),
      sample("k3s1", {1, 2, 5, 6}, {{"kernel_shape", Ints{3, 3}}}),
      sample("k2x3_asymmetric_pads", {2, 2, 6, 7},
             {{"kernel_shape", Ints{2, 3}}, {"strides", Ints{2, 1}}, {"pads", Ints{0, 2, 1, 0}}}),
      sample("ceil", {2, 2, 6, 7},
             {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"ceil_mode", one}}),
      sample("ceil_padded", {1, 3, 5, 6},
             {{"kernel_shape", Ints{3, 2}},
              {"strides", Ints{3, 3}},
              {"pads", Ints{1, 0, 1, 1}},
              {"ceil_mode", one}}),
      sample("windows_apart", {1, 2, 8, 8},
             {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{3, 3}}}),
      sample("wide", {2, 40, 8, 8}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}),
      sample("dilated", {2, 2, 7, 6},
             {{"kernel_shape", Ints{3, 2}}, {"dilations", Ints{2, 3}}, {"pads", Ints{1, 1, 2, 1}}}),
      sample("line", {2, 3, 9},
             {{"kernel_shape", Ints{3}}, {"strides", Ints{2}}, {"pads", Ints{1, 0}}}),
      sample("volume", {1, 2, 4, 5, 3},
             {{"kernel_shape", Ints{2, 3, 2}},
              {"strides", Ints{2, 1, 1}},
              {"pads", Ints{0, 1, 0, 1, 0, 1}}}),
  };
}

std::vector<OpSample> average_pool_samples() {
  std::vector<OpSample> samples = pool_samples();
  const std::size_t count = samples.size();
  for (std::size_t i = 0; i < count; ++i) {
    OpSample padded = samples[i];
    if (!padded.attributes.has("pads")) continue;
    padded.name += "_counted";
    padded.attributes.set("count_include_pad", std::int64_t{1});
    samples.push_back(std::move(padded));
  }
  return samples;
}

/// Turns the samples of a pool into those of its gradient; `index` adds the index input.
std::vector<OpSample> grad_samples(std::vector<OpSample> samples, bool index) {
  for (OpSample& sample : samples) {
    const Shape x = sample.inputs[0].shape;
    const Shape y = pooled(sample.attributes, x);
    sample.attributes.set("input_shape", x);
    sample.inputs = {f32(y)};
    if (index) sample.inputs.push_back(typed(DType::U8, y));
  }
  return samples;
}

std::vector<OpSample> places_samples() {
  std::vector<OpSample> samples = grad_samples(pool_samples(), true);
  for (OpSample& sample : samples) sample.inputs.erase(sample.inputs.begin());
  const std::size_t count = samples.size();
  for (std::size_t i = 0; i < count; ++i) {
    OpSample by_columns = samples[i];
    by_columns.name += "_by_columns";
    by_columns.attributes.set("storage_order", std::int64_t{1});
    samples.push_back(std::move(by_columns));
  }
  return samples;
}

}  // namespace

std::vector<OpDef> pool_ops() {
  using enum Role;
  return {
      {.name = "MaxPool",
       .inputs = {Carrier},
       .outputs = {Carrier, Own},
       .infer = infer_max_pool,
       .gradient = max_pool_gradient,
       .flops = window_flops,
       .samples = pool_samples,
       .layout = LayoutRule::Image},
      {.name = "MaxPoolGrad",
       .inputs = {Carrier, Own},
       .outputs = {Carrier},
       .infer = infer_max_pool_grad,
       .flops = per_input<1>,
       .samples = [] { return grad_samples(pool_samples(), true); },
       .layout = LayoutRule::Image},
      {.name = "MaxPoolPlaces",
       .inputs = {Own},
       .outputs = {Own},
       .infer = infer_max_pool_places,
       .flops = per_input<1>,
       .samples = places_samples,
       .layout = LayoutRule::Image},
      {.name = "AveragePool",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_average_pool,
       .gradient = average_pool_gradient,
       .flops = window_flops,
       .samples = average_pool_samples,
       .layout = LayoutRule::Image},
      {.name = "AveragePoolGrad",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_average_pool_grad,
       .flops = window_grad_flops,
       .samples = [] { return grad_samples(average_pool_samples(), false); },
       .layout = LayoutRule::Image},
      {.name = "GlobalAveragePool",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_global,
       .gradient = global_gradient,
       .flops = per_input<1>,
       .samples = []() -> std::vector<OpSample> {
         return {{"image", {}, {f32({2, 5, 4, 7})}},
                 {"image_wide", {}, {f32({2, 40, 7, 7})}},
                 {"sequence", {}, {f32({3, 4, 9})}}};
       },
       .layout = LayoutRule::Image},
  };
}

}  // namespace mpsearch
