#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

Types infer_reshape(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape shape = attributes.integers("shape");
  require(elements_of(shape) == inputs[0].elements(), ErrorKind::BadContent,
          "a Reshape of " + to_string(inputs[0].shape) + " to " + to_string(shape) +
              " would change the number of elements");
  TensorType type = carried(inputs[0]);
  type.shape = shape;
  return {type};
}

Types infer_identity(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {carried(inputs[0])};
}

Types infer_transpose(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const Shape perm = attributes.integers("perm");
  const Shape& x = inputs[0].shape;
  std::vector<bool> seen(x.size(), false);
  bool good = perm.size() == x.size();
  for (std::size_t i = 0; good && i < perm.size(); ++i) {
    const auto from = static_cast<std::size_t>(perm[i]);
    good = from < x.size() && !seen[from];
    if (good) seen[from] = true;
  }
  require(good, ErrorKind::BadContent,
          "perm " + to_string(perm) + " is no permutation of the dimensions of " + to_string(x));
  TensorType type = carried(inputs[0]);
  for (std::size_t i = 0; i < x.size(); ++i) type.shape[i] = x[static_cast<std::size_t>(perm[i])];
  return {type};
}

void view_gradient(GradientBuilder& builder, const Node& node) {
  builder.add(node.inputs[0],
              reshaped(builder, first_gradient(builder, node), shape_of(builder, node.inputs[0])));
}

void transpose_gradient(GradientBuilder& builder, const Node& node) {
  const Shape perm = node.attributes.integers("perm");
  Shape inverse(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i) {
    inverse[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
  }
  builder.add(node.inputs[0], builder.node("dx", "Transpose", {first_gradient(builder, node)},
                                           {{"perm", inverse}}));
}

std::vector<OpSample> reshape_samples() {
  return {{"flatten", {{"shape", Shape{2, 60}}}, {f32({2, 3, 4, 5})}},
          {"unflatten", {{"shape", Shape{2, 3, 4, 5}}}, {f32({2, 60})}},
          {"to_scalar", {{"shape", Shape{}}}, {f32({1, 1})}}};
}

std::vector<OpSample> transpose_samples() {
  return {{"matrix", {{"perm", Shape{1, 0}}}, {f32({4, 7})}},
          {"heads", {{"perm", Shape{0, 2, 1, 3}}}, {f32({2, 3, 4, 5})}},
          {"to_last", {{"perm", Shape{0, 2, 3, 1}}}, {f32({2, 3, 4, 5})}},
          {"rotated", {{"perm", Shape{2, 0, 1}}}, {f32({3, 4, 5})}},
          {"same", {{"perm", Shape{0, 1}}}, {f32({3, 4})}},
          {"wide", {{"perm", Shape{1, 0}}}, {f32({45, 70})}}};
}

}  // namespace

std::vector<OpDef> shape_ops() {
  using enum Role;
  return {
      {.name = "Reshape",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_reshape,
       .gradient = view_gradient,
       .flops = no_flops,
       .samples = reshape_samples,
       .view = true},
      {.name = "Identity",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_identity,
       .gradient = view_gradient,
       .flops = no_flops,
       .samples = []() -> std::vector<OpSample> {
         return {{"image", {}, {f32({2, 3, 4, 5})}}};
       },
       .view = true},
      {.name = "Transpose",
       .inputs = {Carrier},
       .outputs = {Carrier},
       .infer = infer_transpose,
       .gradient = transpose_gradient,
       .flops = no_flops,
       .samples = transpose_samples,
       .layout = LayoutRule::RowMajor},
  };
}

}  // namespace mpsearch
