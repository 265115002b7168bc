#include <string>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

Shape with_index(const Shape& x, const Shape& index, std::size_t axis) {
  Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
  y.insert(y.end(), index.begin(), index.end());
  y.insert(y.end(), x.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.end());
  return y;
}

/// The shape of what tuples of indices pick from x.
Shape picked_by_tuples(const Shape& x, const Shape& index, Int batch_dims) {
  const auto batch = static_cast<std::size_t>(batch_dims);
  const bool ranks = batch_dims >= 0 && batch < index.size() && batch < x.size();
  const Int depth = ranks ? index.back() : 0;
  bool fits = ranks && depth > 0 && batch + static_cast<std::size_t>(depth) <= x.size();
  for (std::size_t dim = 0; fits && dim < batch; ++dim) fits = x[dim] == index[dim];
  require(fits, ErrorKind::BadContent,
          "indices of shape " + to_string(index) + " do not fit a tensor of shape " + to_string(x));
  Shape y(index.begin(), index.end() - 1);
  y.insert(y.end(), x.begin() + static_cast<std::ptrdiff_t>(batch) + depth, x.end());
  return y;
}

/// Refuses indices of elements that reach beyond x elsewhere than along the axis.
void expect_elements(const Attributes& attributes, const Shape& x, const Shape& index) {
  const std::size_t axis = axis_of(attributes, "axis", x.size());
  bool fits = index.size() == x.size();
  for (std::size_t dim = 0; fits && dim < x.size(); ++dim) {
    fits = dim == axis || index[dim] <= x[dim];
  }
  require(fits, ErrorKind::BadContent,
          "indices of shape " + to_string(index) + " do not fit a tensor of shape " + to_string(x));
}

void expect_indices(TypeSpan inputs, std::size_t least, std::size_t most) {
  expect_count(inputs, least, most);
  expect_dtype("the indices", inputs[1], DType::I64);
}

/// What a gather along rows, of tuples or of elements gives.
using Picked = Shape (*)(const Attributes&, const Shape& x, const Shape& index);

Shape picked_rows(const Attributes& attributes, const Shape& x, const Shape& index) {
  return with_index(x, index, axis_of(attributes, "axis", x.size()));
}

Shape picked_tuples(const Attributes& attributes, const Shape& x, const Shape& index) {
  return picked_by_tuples(x, index, attributes.integer("batch_dims", 0));
}

Shape picked_elements(const Attributes& attributes, const Shape& x, const Shape& index) {
  expect_elements(attributes, x, index);
  return index;
}

template <Picked Of>
Types infer_gather(const Attributes& attributes, TypeSpan inputs) {
  expect_indices(inputs, 2, 2);
  return {typed(carried(inputs[0]).form.dtype, Of(attributes, inputs[0].shape, inputs[1].shape))};
}

template <Picked Of>
Types infer_gather_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_indices(inputs, 2, 2);
  const Shape x = attributes.integers("input_shape");
  expect_shape("dy", inputs[0].shape, Of(attributes, x, inputs[1].shape));
  return {f32(x)};
}

/// x, indices and updates; without the last, zeros are written.
template <Picked Of>
Types infer_scatter(const Attributes& attributes, TypeSpan inputs) {
  expect_indices(inputs, 2, 3);
  const Shape wanted = Of(attributes, inputs[0].shape, inputs[1].shape);
  if (inputs.size() > 2) {
    expect_shape("the updates", inputs[2].shape, wanted);
    expect_dtype("the updates", carried(inputs[2]), carried(inputs[0]).form.dtype);
  }
  return {carried(inputs[0])};
}

/// dy, x, indices and updates.
template <Picked Of>
Types infer_scatter_grad(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 4, 4);
  expect_dtype("the indices", inputs[2], DType::I64);
  expect_shape("dy", inputs[0].shape, inputs[1].shape);
  expect_shape("the updates", inputs[3].shape, Of(attributes, inputs[1].shape, inputs[2].shape));
  const std::string reduction = attributes.text("reduction", "");
  require(reduction == "mul" || reduction == "min" || reduction == "max", ErrorKind::BadContent,
          "unknown reduction '" + reduction + "'");
  return {f32(inputs[1].shape), f32(inputs[3].shape)};
}

void gather_gradient(GradientBuilder& builder, const Node& node) {
  const std::string op =
      (node.op->name == "Embedding" ? "Gather" : std::string(node.op->name)) + "Grad";
  Attributes attributes = node.attributes;
  attributes.set("input_shape", shape_of(builder, node.inputs[0]));
  builder.add(node.inputs[0],
              builder.node("dx", op, {first_gradient(builder, node), node.inputs[1]}, attributes));
}

/// Of products and extremes: both gradients depend on all that met in one place.
void scatter_rule_gradient(GradientBuilder& builder, const Node& node) {
  std::vector<ValueId> inputs{first_gradient(builder, node)};
  inputs.insert(inputs.end(), node.inputs.begin(), node.inputs.end());
  const ValueId dx =
      builder.node("dx", std::string(node.op->name) + "Grad", inputs, node.attributes, 2);
  builder.add(node.inputs[0], dx);
  const ValueId dupdates = builder.graph().node(builder.graph().value(dx).producer).outputs[1];
  builder.add(node.inputs[2], dupdates);
}

void scatter_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  const ValueId index = node.inputs[1];
  const std::string reduction = node.attributes.text("reduction", "none");
  if (reduction != "none" && reduction != "add") return scatter_rule_gradient(builder, node);
  Attributes attributes;
  if (node.attributes.has("axis")) attributes.set("axis", node.attributes.integer("axis", 0));
  if (builder.wanted(node.inputs[0])) {
    const bool added = reduction == "add";
    builder.add(node.inputs[0],
                added ? dy : builder.node("dx", node.op->name, {dy, index}, attributes));
  }
  if (node.inputs.size() > 2 && builder.wanted(node.inputs[2])) {
    const bool tuples = node.op->name == "ScatterND";
    builder.add(node.inputs[2], builder.node("dupdates", tuples ? "GatherND" : "GatherElements",
                                             {dy, index}, attributes));
  }
}

TensorType i64(Shape shape) { return typed(DType::I64, std::move(shape)); }

std::vector<OpSample> rows_samples(bool table) {
  const auto axis = [](Int at) { return Attributes{{"axis", at}}; };
  std::vector<OpSample> samples{{"embedding", axis(0), {f32({11, 8}), i64({3, 5})}},
                                {"wide", axis(0), {f32({5, 700}), i64({9})}},
                                {"one", axis(0), {f32({7, 3}), i64({})}}};
  if (table) return samples;
  samples.push_back({"tokens", axis(1), {f32({2, 6, 4}), i64({3})}});
  samples.push_back({"last", axis(2), {f32({2, 3, 7}), i64({4})}});
  samples.push_back({"inner", axis(1), {f32({2, 5, 3}), i64({4})}});
  samples.push_back({"vector", axis(0), {f32({9}), i64({20})}});
  return samples;
}

std::vector<OpSample> tuples_samples() {
  const auto batch = [](Int dims) { return Attributes{{"batch_dims", dims}}; };
  return {{"elements", batch(0), {f32({4, 5}), i64({6, 2})}},
          {"rows", batch(0), {f32({4, 5, 3}), i64({6, 1})}},
          {"batched", batch(1), {f32({3, 5, 4}), i64({3, 2, 1})}},
          {"batched_twice", batch(2), {f32({2, 3, 5}), i64({2, 3, 1})}}};
}

std::vector<OpSample> elements_samples() {
  const auto axis = [](Int at) { return Attributes{{"axis", at}}; };
  return {{"rows", axis(0), {f32({4, 5}), i64({7, 5})}},
          {"columns", axis(1), {f32({4, 5}), i64({3, 2})}},
          {"image", axis(2), {f32({3, 4, 5}), i64({3, 4, 6})}},
          {"vector", axis(0), {f32({40}), i64({30})}}};
}

/// dy in the place of x, and x's shape as an attribute.
template <Picked Of>
std::vector<OpSample> backward(std::vector<OpSample> samples) {
  for (OpSample& sample : samples) {
    const Shape x = sample.inputs[0].shape;
    sample.inputs[0] = f32(Of(sample.attributes, x, sample.inputs[1].shape));
    sample.attributes.set("input_shape", x);
  }
  return samples;
}

/// The samples of these reductions, dy in front.
std::vector<OpSample> with_dy(const std::vector<OpSample>& samples) {
  std::vector<OpSample> out;
  for (OpSample sample : samples) {
    const std::string reduction = sample.attributes.text("reduction", "");
    if (reduction == "none" || reduction == "add") continue;
    sample.inputs.insert(sample.inputs.begin(), f32(sample.inputs[0].shape));
    out.push_back(std::move(sample));
  }
  return out;
}

/// Indices of "none" name nothing twice (tests/support/op_case.cpp), so they fit into x.
std::vector<OpSample> scatter_elements_samples() {
  std::vector<OpSample> samples;
  for (const std::string reduction : {"none", "add", "mul", "min", "max"}) {
    const auto axis = [&](Int at) { return Attributes{{"axis", at}, {"reduction", reduction}}; };
    samples.push_back({reduction + "_rows", axis(0), {f32({4, 5}), i64({3, 5}), f32({3, 5})}});
    samples.push_back({reduction + "_columns", axis(1), {f32({4, 5}), i64({3, 2}), f32({3, 2})}});
    samples.push_back(
        {reduction + "_image", axis(2), {f32({3, 4, 5}), i64({3, 4, 2}), f32({3, 4, 2})}});
    const bool needs_updates = reduction != "none" && reduction != "add";
    if (!needs_updates) samples.push_back({reduction + "_zeros", axis(0), {f32({9}), i64({4})}});
  }
  return samples;
}

std::vector<OpSample> scatter_tuples_samples() {
  std::vector<OpSample> samples;
  for (const std::string reduction : {"none", "add", "mul", "min", "max"}) {
    const Attributes how{{"reduction", reduction}};
    samples.push_back({reduction + "_elements", how, {f32({4, 5}), i64({6, 2}), f32({6})}});
    samples.push_back({reduction + "_rows", how, {f32({4, 5, 3}), i64({3, 1}), f32({3, 5, 3})}});
    samples.push_back(
        {reduction + "_wide", how, {f32({6, 700}), i64({2, 2, 1}), f32({2, 2, 700})}});
    const bool needs_updates = reduction != "none" && reduction != "add";
    if (!needs_updates) samples.push_back({reduction + "_zeros", how, {f32({5, 3}), i64({2, 1})}});
  }
  return samples;
}

OpDef gather(std::string_view name, Types (*infer)(const Attributes&, TypeSpan),
             std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {name == "Embedding" ? F32 : Carrier, Own},
          .outputs = {Carrier},
          .infer = infer,
          .gradient = gather_gradient,
          .flops = no_flops,
          .samples = samples,
          .layout = LayoutRule::RowMajor,
          .compute = name == "Embedding"};
}

OpDef gather_grad(std::string_view name, Types (*infer)(const Attributes&, TypeSpan),
                  std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier, Own},
          .outputs = {Carrier},
          .infer = infer,
          .flops = per_input<1>,
          .samples = samples,
          .layout = LayoutRule::RowMajor};
}

OpDef scatter(std::string_view name, Types (*infer)(const Attributes&, TypeSpan),
              std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier, Own, Carrier},
          .outputs = {Carrier},
          .infer = infer,
          .gradient = scatter_gradient,
          .flops = no_flops,
          .samples = samples,
          .layout = LayoutRule::RowMajor};
}

OpDef scatter_grad(std::string_view name, Types (*infer)(const Attributes&, TypeSpan),
                   std::vector<OpSample> (*samples)()) {
  using enum Role;
  return {.name = name,
          .inputs = {Carrier, Carrier, Own, Carrier},
          .outputs = {Carrier, Carrier},
          .infer = infer,
          .flops = per_input<4>,
          .samples = samples,
          .layout = LayoutRule::RowMajor};
}

}  // namespace

std::vector<OpDef> gather_ops() {
  return {
      gather("Embedding", infer_gather<picked_rows>, [] { return rows_samples(true); }),
      gather("Gather", infer_gather<picked_rows>, [] { return rows_samples(false); }),
      gather("GatherND", infer_gather<picked_tuples>, tuples_samples),
      gather("GatherElements", infer_gather<picked_elements>, elements_samples),
      gather_grad("GatherGrad", infer_gather_grad<picked_rows>,
                  [] { return backward<picked_rows>(rows_samples(false)); }),
      gather_grad("GatherNDGrad", infer_gather_grad<picked_tuples>,
                  [] { return backward<picked_tuples>(tuples_samples()); }),
      gather_grad("GatherElementsGrad", infer_gather_grad<picked_elements>,
                  [] { return backward<picked_elements>(elements_samples()); }),
      scatter("ScatterND", infer_scatter<picked_tuples>, scatter_tuples_samples),
      scatter("ScatterElements", infer_scatter<picked_elements>, scatter_elements_samples),
      scatter_grad("ScatterNDGrad", infer_scatter_grad<picked_tuples>,
                   [] { return with_dy(scatter_tuples_samples()); }),
      scatter_grad("ScatterElementsGrad", infer_scatter_grad<picked_elements>,
                   [] { return with_dy(scatter_elements_samples()); }),
  };
}

}  // namespace mpsearch
