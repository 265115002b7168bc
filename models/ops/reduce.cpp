#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

/// The input's shape with 1 in every reduced dimension. Throws BadContent.
Shape kept_shape(const Attributes& attributes, const Shape& x) {
  const Shape axes = attributes.integers("axes");
  Shape kept = x;
  std::int64_t before = -1;
  for (const std::int64_t axis : axes) {
    require(axis > before && axis < static_cast<std::int64_t>(x.size()), ErrorKind::BadContent,
            "axes " + to_string(axes) + " of a reduction of " + to_string(x) +
                " must be sorted, distinct and within its rank");
    kept[static_cast<std::size_t>(axis)] = 1;
    before = axis;
  }
  return kept;
}

Types infer_reduce(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape& x = inputs[0].shape;
  const Shape kept = kept_shape(attributes, x);
  if (attributes.integer("keepdims", 1) != 0) return {f32(kept)};
  const Shape axes = attributes.integers("axes");
  Shape y;
  std::size_t next = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (next < axes.size() && axes[next] == static_cast<std::int64_t>(i)) {
      ++next;
    } else {
      y.push_back(x[i]);
    }
  }
  return {f32(y)};
}

/// Also the place of the chosen element among the reduced ones, counted in row-major order.
Types infer_extreme(const Attributes& attributes, TypeSpan inputs) {
  const Types y = infer_reduce(attributes, inputs);
  return {y[0], typed(DType::I32, y[0].shape)};
}

/// dy (of the input's shape with ones), x and, where there is one, y; gives dx of x's shape.
Types infer_grad_from_input(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 3);
  const Shape kept = kept_shape(attributes, inputs[1].shape);
  expect_shape("dy", inputs[0].shape, kept);
  if (inputs.size() > 2) expect_shape("y", inputs[2].shape, kept);
  return {f32(inputs[1].shape)};
}

Types infer_extreme_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 2);
  const Shape x = attributes.integers("input_shape");
  expect_shape("dy", inputs[0].shape, kept_shape(attributes, x));
  expect_shape("the index", inputs[1].shape, inputs[0].shape);
  expect_dtype("the index", inputs[1], DType::I32);
  return {f32(x)};
}

/// dy with ones in the place of the reduced dimensions, and attributes that fit it.
ValueId kept_gradient(GradientBuilder& builder, const Node& node) {
  const Shape x = shape_of(builder, node.inputs[0]);
  return reshaped(builder, first_gradient(builder, node), kept_shape(node.attributes, x));
}

void extreme_gradient(GradientBuilder& builder, const Node& node) {
  const Shape x = shape_of(builder, node.inputs[0]);
  const ValueId index = reshaped(builder, builder.saved_output(1), kept_shape(node.attributes, x));
  builder.add(node.inputs[0],
              builder.node("dx", "ReduceMaxGrad", {kept_gradient(builder, node), index},
                           {{"axes", node.attributes.integers("axes")}, {"input_shape", x}}));
}

void product_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0],
              builder.node("dx", "ReduceProdGrad", {kept_gradient(builder, node), node.inputs[0]},
                           {{"axes", node.attributes.integers("axes")}}));
}

/// dx = NAMEGrad(dy, x, y).
void gradient_from_both(GradientBuilder& builder, const Node& node) {
  const ValueId x = node.inputs[0];
  const ValueId y =
      reshaped(builder, node.outputs[0], kept_shape(node.attributes, shape_of(builder, x)));
  builder.add(x, builder.node("dx", std::string(node.op->name) + "Grad",
                              {kept_gradient(builder, node), x, y},
                              {{"axes", node.attributes.integers("axes")}}));
}

void spread_gradient(GradientBuilder& builder, const Node& node, bool mean) {
  const Shape x = shape_of(builder, node.inputs[0]);
  const Shape kept = kept_shape(node.attributes, x);
  const ValueId dy = reshaped(builder, first_gradient(builder, node), kept);
  Attributes attributes{{"shape", x}};
  if (mean) {
    const auto count = static_cast<double>(elements_of(x)) / static_cast<double>(elements_of(kept));
    attributes.set("scale", 1 / count);
  }
  builder.add(node.inputs[0], builder.node("dx", "BroadcastTo", {dy}, std::move(attributes)));
}

std::vector<OpSample> samples(double low = -2) {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, Shape shape, Shape axes) {
    for (const std::int64_t keep : {0, 1}) {
      list.push_back(
          {name + (keep != 0 ? "_kept" : ""), {{"axes", axes}, {"keepdims", keep}}, {f32(shape)}});
    }
  };
  add("last", {3, 4, 5}, {2});
  add("first", {3, 4, 5}, {0});
  add("middle", {3, 4, 5}, {1});
  add("spatial", {2, 5, 4, 3}, {2, 3});
  add("batch_and_spatial", {2, 5, 4, 3}, {0, 2, 3});
  add("apart", {2, 5, 4, 3}, {1, 3});
  add("all", {3, 7}, {0, 1});
  add("none", {3, 7}, {});
  add("wide", {7, 133}, {1});
  add("wide_columns", {6, 5, 40}, {0, 1});
  for (OpSample& sample : list) sample.low = low;
  return list;
}

/// The calls of a gradient: dy, then x and y where `reads` says so, or the index.
enum class Reads { Index, Input, Both };

std::vector<OpSample> grad_samples(Reads reads) {
  std::vector<OpSample> list;
  for (OpSample& sample : samples(0.5)) {
    if (sample.attributes.integer("keepdims", 1) == 0) continue;
    const Shape x = sample.inputs[0].shape;
    const Shape kept = kept_shape(sample.attributes, x);
    sample.attributes = {{"axes", sample.attributes.integers("axes")}};
    sample.inputs = {f32(kept), f32(x)};
    if (reads == Reads::Both) sample.inputs.push_back(f32(kept));
    if (reads == Reads::Index) {
      sample.inputs[1] = typed(DType::I32, kept);
      sample.attributes.set("input_shape", x);
    }
    list.push_back(std::move(sample));
  }
  return list;
}

OpDef reduction(std::string_view name, void (*gradient)(GradientBuilder&, const Node&)) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier},
          .outputs = {Carrier},
          .infer = infer_reduce,
          .gradient = gradient,
          .flops = per_input<1>,
          .samples = [] { return samples(); }};
}

OpDef extreme(std::string_view name) {
  OpDef op = reduction(name, extreme_gradient);
  op.outputs = {Role::Carrier, Role::Own};
  op.infer = infer_extreme;
  return op;
}

template <Reads What>
OpDef grad(std::string_view name) {
  using enum Role;
  constexpr bool kIndex = What == Reads::Index;
  return {.name = name,
          .inputs = {Carrier, kIndex ? Own : Carrier, Carrier},
          .outputs = {Carrier},
          .infer = kIndex ? infer_extreme_grad : infer_grad_from_input,
          .flops = per_output<2>,
          .samples = [] { return grad_samples(What); }};
}

}  // namespace

std::vector<OpDef> reduce_ops() {
  OpDef product = reduction("ReduceProd", product_gradient);
  product.samples = [] { return samples(0.5); };
  return {reduction("ReduceMean", [](GradientBuilder& builder,
                                     const Node& node) { spread_gradient(builder, node, true); }),
          reduction("ReduceSum", [](GradientBuilder& builder,
                                    const Node& node) { spread_gradient(builder, node, false); }),
          reduction("ReduceL2", gradient_from_both),
          reduction("ReduceLogSumExp", gradient_from_both),
          extreme("ReduceMax"),
          extreme("ReduceMin"),
          product,
          grad<Reads::Both>("ReduceL2Grad"),
          grad<Reads::Both>("ReduceLogSumExpGrad"),
          grad<Reads::Index>("ReduceMaxGrad"),
          grad<Reads::Input>("ReduceProdGrad")};
}

}  // namespace mpsearch
