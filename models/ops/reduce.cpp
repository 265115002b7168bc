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

std::vector<OpSample> samples() {
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
          .samples = samples};
}

}  // namespace

std::vector<OpDef> reduce_ops() {
  return {reduction("ReduceMean", [](GradientBuilder& builder,
                                     const Node& node) { spread_gradient(builder, node, true); }),
          reduction("ReduceSum", [](GradientBuilder& builder, const Node& node) {
            spread_gradient(builder, node, false);
          })};
}

}  // namespace mpsearch
