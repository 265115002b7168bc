// Norms whose statistics are those of one sample: rows (layer, RMS) and groups of channels.
#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

/// Statistics of rows: 1 in every dimension from the axis on.
Shape statistics_of(const Shape& x, std::size_t axis) {
  Shape shape = x;
  for (std::size_t dim = axis; dim < x.size(); ++dim) shape[dim] = 1;
  return shape;
}

/// Checks that inputs `from` to before `to` have the shape of a row.
std::size_t expect_rows(const Attributes& attributes, const Shape& x, TypeSpan inputs,
                        std::size_t from, std::size_t to) {
  const std::size_t axis = axis_of(attributes, "axis", x.size());
  const Shape row(x.begin() + static_cast<std::ptrdiff_t>(axis), x.end());
  for (std::size_t i = from; i < to; ++i) {
    expect_shape("input " + std::to_string(i) + " (one entry an element of a row)", inputs[i].shape,
                 row);
  }
  return axis;
}

Types infer_layer(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 3);
  const Shape& x = inputs[0].shape;
  const Shape statistics = statistics_of(x, expect_rows(attributes, x, inputs, 1, inputs.size()));
  return {f32(x), f32(statistics), f32(statistics)};
}

Types infer_rms(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  const Shape& x = inputs[0].shape;
  return {f32(x), f32(statistics_of(x, expect_rows(attributes, x, inputs, 1, 2)))};
}

/// dy, x, gamma and `statistics` statistics; gives dx and `parameters` gradients of a row's shape.
template <std::size_t Statistics, std::size_t Parameters>
Types infer_row_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 3 + Statistics, 3 + Statistics);
  const Shape& x = inputs[1].shape;
  expect_shape("dy", inputs[0].shape, x);
  const Shape statistics = statistics_of(x, expect_rows(attributes, x, inputs, 2, 3));
  for (std::size_t i = 3; i < inputs.size(); ++i) {
    expect_shape("input " + std::to_string(i), inputs[i].shape, statistics);
  }
  Types types{f32(x)};
  types.resize(1 + Parameters, f32(inputs[2].shape));
  return types;
}

/// [samples, groups].
Shape groups_of(const Attributes& attributes, const Shape& x) {
  const std::int64_t groups = attributes.integer("num_groups", 1);
  require(x.size() >= 2 && groups >= 1 && x[1] % groups == 0, ErrorKind::BadContent,
          std::to_string(groups) + " groups do not divide the channels of " + to_string(x));
  return {x[0], groups};
}

Types infer_group(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 3, 3);
  const Shape& x = inputs[0].shape;
  const Shape groups = groups_of(attributes, x);
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    expect_shape("input " + std::to_string(i) + " (one entry a channel)", inputs[i].shape, {x[1]});
  }
  return {f32(x), f32(groups), f32(groups)};
}

Types infer_group_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 5, 5);
  const Shape& x = inputs[1].shape;
  expect_shape("dy", inputs[0].shape, x);
  const Shape groups = groups_of(attributes, x);
  expect_shape("input 2 (one entry a channel)", inputs[2].shape, {x[1]});
  expect_shape("the mean", inputs[3].shape, groups);
  expect_shape("the inverse deviation", inputs[4].shape, groups);
  return {f32(x), f32({x[1]}), f32({x[1]})};
}

/// All gradients from one node: the sums for the parameters are needed for x anyway.
void add_gradients(GradientBuilder& builder, const Node& node, std::string_view grad,
                   std::vector<ValueId> statistics) {
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    require(builder.gradient(node.outputs[i]) == kNone, ErrorKind::BadContent,
            "the statistics of '" + node.name + "' have no gradient");
  }
  std::vector<ValueId> inputs{first_gradient(builder, node), node.inputs[0], node.inputs[1]};
  inputs.insert(inputs.end(), statistics.begin(), statistics.end());
  const ValueId dx =
      builder.node("grad", grad, std::move(inputs), node.attributes, node.inputs.size());
  const NodeId made = builder.graph().value(dx).producer;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    builder.add(node.inputs[i], builder.graph().node(made).outputs[i]);
  }
}

void layer_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId invstd = builder.saved_output(2);
  add_gradients(builder, node, "LayerNormGrad", {builder.saved_output(1), invstd});
}

void rms_gradient(GradientBuilder& builder, const Node& node) {
  add_gradients(builder, node, "RMSNormGrad", {builder.saved_output(1)});
}

void group_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId invstd = builder.saved_output(2);
  add_gradients(builder, node, "GroupNormGrad", {builder.saved_output(1), invstd});
}

/// Samples with `vectors` vectors of a row; gradients have dy before x and `statistics` behind.
std::vector<OpSample> row_samples(std::size_t vectors, bool grad, std::size_t statistics) {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape x, std::int64_t axis, double epsilon) {
    Types inputs(grad ? 2 : 1, f32(x));
    inputs.insert(inputs.end(), vectors, f32(Shape(x.begin() + axis, x.end())));
    const Shape rows = statistics_of(x, static_cast<std::size_t>(axis));
    inputs.insert(inputs.end(), statistics, f32(rows));
    list.push_back({std::move(name), {{"axis", axis}, {"epsilon", epsilon}}, std::move(inputs)});
  };
  add("sequence", {2, 5, 24}, 2, 1e-5);
  add("matrix", {7, 9}, 1, 1e-5);
  add("image", {2, 3, 4, 5}, 1, 1e-3);
  add("last_of_image", {2, 3, 4, 7}, 3, 1e-6);
  add("whole", {3, 5}, 0, 0.5);
  add("wide", {70, 133}, 1, 1e-5);
  return list;
}

/// Layer norm may lack its shift.
std::vector<OpSample> layer_samples() {
  std::vector<OpSample> list = row_samples(2, false, 0);
  for (OpSample& sample : row_samples(1, false, 0)) {
    sample.name += "_without_shift";
    list.push_back(std::move(sample));
  }
  return list;
}

std::vector<OpSample> group_samples(bool grad) {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape x, std::int64_t groups, double epsilon) {
    Types inputs(grad ? 2 : 1, f32(x));
    inputs.insert(inputs.end(), grad ? 1 : 2, f32({x[1]}));
    if (grad) inputs.insert(inputs.end(), 2, f32({x[0], groups}));
    list.push_back(
        {std::move(name), {{"num_groups", groups}, {"epsilon", epsilon}}, std::move(inputs)});
  };
  add("image", {3, 6, 4, 3}, 2, 1e-5);
  add("instance", {2, 5, 4, 3}, 5, 1e-5);
  add("one_group", {2, 4, 3, 3}, 1, 0.5);
  add("sequence", {2, 6, 7}, 3, 1e-3);
  add("wide", {2, 40, 7, 6}, 8, 1e-5);
  return list;
}

}  // namespace

std::vector<OpDef> row_norm_ops() {
  using enum Role;
  return {
      {.name = "LayerNormalization",
       .inputs = {Carrier, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_layer,
       .gradient = layer_gradient,
       .flops = per_input<7>,
       .samples = layer_samples,
       .layout = LayoutRule::RowMajor},
      {.name = "LayerNormGrad",
       .inputs = {Carrier, Carrier, F32, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_row_grad<2, 2>,
       .flops = per_input<11>,
       .samples = [] { return row_samples(1, true, 2); },
       .layout = LayoutRule::RowMajor},
      {.name = "RMSNormalization",
       .inputs = {Carrier, F32},
       .outputs = {Carrier, F32},
       .infer = infer_rms,
       .gradient = rms_gradient,
       .flops = per_input<4>,
       .samples = [] { return row_samples(1, false, 0); },
       .layout = LayoutRule::RowMajor},
      {.name = "RMSNormGrad",
       .inputs = {Carrier, Carrier, F32, F32},
       .outputs = {Carrier, F32},
       .infer = infer_row_grad<1, 1>,
       .flops = per_input<9>,
       .samples = [] { return row_samples(1, true, 1); },
       .layout = LayoutRule::RowMajor},
      {.name = "GroupNormalization",
       .inputs = {Carrier, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_group,
       .gradient = group_gradient,
       .flops = per_input<7>,
       .samples = [] { return group_samples(false); }},
      {.name = "GroupNormGrad",
       .inputs = {Carrier, Carrier, F32, F32, F32},
       .outputs = {Carrier, F32, F32},
       .infer = infer_group_grad,
       .flops = per_input<11>,
       .samples = [] { return group_samples(true); }},
  };
}

}  // namespace mpsearch
