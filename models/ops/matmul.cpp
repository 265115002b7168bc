#include <algorithm>

#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

/// A product whose operands have rank 2 or more: a vector stands as a row (a) or a column (b).
struct Product {
  Shape a, b;  // as stored, before transposition
  Shape full;  // of y, with the dims of vectors
  Shape y;     // as the operator gives it
  std::int64_t inner = 0;
};

Product product_of(const Attributes& attributes, const Shape& a, const Shape& b) {
  const bool trans_a = attributes.integer("transA", 0) != 0;
  const bool trans_b = attributes.integer("transB", 0) != 0;
  require(!a.empty() && !b.empty() && !(a.size() == 1 && trans_a) && !(b.size() == 1 && trans_b),
          ErrorKind::BadContent,
          "a matrix product of " + to_string(a) + " and " + to_string(b) +
              " is not defined: a scalar, or a transposed vector");
  Product product{.a = a, .b = b, .full = {}, .y = {}};
  if (a.size() == 1) product.a.insert(product.a.begin(), 1);
  if (b.size() == 1) product.b.push_back(1);
  const auto dim = [](const Shape& shape, bool last) {
    return shape[shape.size() - (last ? 1 : 2)];
  };
  product.inner = dim(product.a, !trans_a);
  require(product.inner == dim(product.b, trans_b), ErrorKind::BadContent,
          "a matrix product of " + to_string(a) + (trans_a ? " (transposed)" : "") + " and " +
              to_string(b) + (trans_b ? " (transposed)" : "") + " sums over " +
              std::to_string(product.inner) + " and " + std::to_string(dim(product.b, trans_b)) +
              " elements");
  product.full = broadcast_shape(Shape(product.a.begin(), product.a.end() - 2),
                                 Shape(product.b.begin(), product.b.end() - 2));
  product.y = product.full;
  const std::int64_t rows = dim(product.a, trans_a);
  const std::int64_t columns = dim(product.b, !trans_b);
  product.full.insert(product.full.end(), {rows, columns});
  if (a.size() > 1) product.y.push_back(rows);
  if (b.size() > 1) product.y.push_back(columns);
  return product;
}

Types infer_matmul(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 2, 3);
  const Shape y = product_of(attributes, inputs[0].shape, inputs[1].shape).y;
  if (inputs.size() > 2) expect_broadcast(inputs[2].shape, y);
  return {f32(y)};
}

double matmul_flops(const Attributes& attributes, TypeSpan inputs, TypeSpan outputs) {
  const Product product = product_of(attributes, inputs[0].shape, inputs[1].shape);
  return 2.0 * static_cast<double>(outputs[0].elements()) * static_cast<double>(product.inner);
}

void bias_gradient(GradientBuilder& builder, const Node& node, ValueId dy) {
  const ValueId bias = node.inputs[2];
  const Shape shape = shape_of(builder, bias);
  const Shape y = shape_of(builder, dy);
  const double beta = node.attributes.number("beta", 1);
  const bool one_row = !shape.empty() && shape.back() == y.back() && elements_of(shape) == y.back();
  if (beta == 1 && shape != y && one_row) {
    const auto axis = static_cast<std::int64_t>(y.size()) - 1;
    const ValueId db = builder.node("db", "BiasGrad", {dy}, {{"axis", axis}});
    builder.add(bias, reshaped(builder, db, shape));
  } else {
    builder.add(bias, summed_to(builder, dy, shape, beta));
  }
}

Attributes product_attributes(bool trans_a, bool trans_b, double alpha) {
  Attributes attributes{{"transA", std::int64_t{trans_a}}, {"transB", std::int64_t{trans_b}}};
  if (alpha != 1) attributes.set("alpha", alpha);
  return attributes;
}

/// With A, B the operands after their transposition, y = alpha A B + beta bias:
/// dA = alpha dy B', dB = alpha A' dy, each transposed back and summed over broadcast batches.
void matmul_gradient(GradientBuilder& builder, const Node& node) {
  const ValueId dy = first_gradient(builder, node);
  if (node.inputs.size() > 2 && builder.wanted(node.inputs[2])) bias_gradient(builder, node, dy);
  const bool want_a = builder.wanted(node.inputs[0]);
  const bool want_b = builder.wanted(node.inputs[1]);
  if (!want_a && !want_b) return;

  const Shape a_shape = shape_of(builder, node.inputs[0]);
  const Shape b_shape = shape_of(builder, node.inputs[1]);
  const bool trans_a = node.attributes.integer("transA", 0) != 0;
  const bool trans_b = node.attributes.integer("transB", 0) != 0;
  const double alpha = node.attributes.number("alpha", 1);
  Product product = product_of(node.attributes, a_shape, b_shape);
  if (product.b.size() == 2 && product.a.size() > 2 && !trans_a) {
    // Many matrices times one: their rows are rows of one matrix, so that db is one product instead
    // of a batch of them to be summed.
    const std::int64_t columns = product.full.back();
    const std::int64_t rows = elements_of(Shape(product.full.begin(), product.full.end() - 1));
    product.a = {rows, product.inner};
    product.full = {rows, columns};
  }
  const ValueId d = reshaped(builder, dy, product.full);
  const auto add = [&](ValueId of, const std::string& suffix, ValueId left, ValueId right,
                       bool trans_left, bool trans_right, const Shape& as, const Shape& shape) {
    const ValueId whole = builder.node(suffix, "MatMul", {left, right},
                                       product_attributes(trans_left, trans_right, alpha));
    builder.add(of, reshaped(builder, summed_to(builder, whole, as), shape));
  };
  if (want_b) {
    const ValueId a = reshaped(builder, node.inputs[0], product.a);
    trans_b ? add(node.inputs[1], "db", d, a, true, trans_a, product.b, b_shape)
            : add(node.inputs[1], "db", a, d, !trans_a, false, product.b, b_shape);
  }
  if (want_a) {
    const ValueId b = reshaped(builder, node.inputs[1], product.b);
    trans_a ? add(node.inputs[0], "da", b, d, trans_b, true, product.a, a_shape)
            : add(node.inputs[0], "da", d, b, false, !trans_b, product.a, a_shape);
  }
}

std::vector<OpSample> matmul_samples() {
  const auto sample = [](std::string name, std::vector<Shape> shapes, Attributes attributes = {}) {
    Types inputs;
    for (Shape& shape : shapes) inputs.push_back(f32(std::move(shape)));
    return OpSample{std::move(name), std::move(attributes), std::move(inputs)};
  };
  const auto one = std::int64_t{1};
  return {
      sample("plain", {{5, 7}, {7, 3}}),
      sample("bias", {{5, 7}, {7, 3}, {3}}),
      sample("transB_bias", {{6, 9}, {4, 9}, {4}}, {{"transB", one}}),
      sample("transA", {{7, 5}, {7, 3}}, {{"transA", one}}),
      sample("transA_transB", {{7, 5}, {3, 7}}, {{"transA", one}, {"transB", one}}),
      sample("alpha_beta", {{4, 5}, {5, 6}, {6}}, {{"alpha", 0.5}, {"beta", -2.0}}),
      sample("bias_of_columns", {{4, 5}, {5, 6}, {4, 1}}),
      sample("bias_of_rows_rank2", {{4, 5}, {5, 6}, {1, 6}}),
      sample("bias_whole", {{4, 5}, {5, 6}, {4, 6}}),
      sample("bias_scalar", {{4, 5}, {5, 6}, {}}, {{"transB", std::int64_t{0}}}),
      sample("batched", {{2, 3, 4, 5}, {2, 3, 5, 6}}),
      sample("batched_transB", {{2, 3, 4, 5}, {2, 3, 6, 5}}, {{"transB", one}, {"alpha", 0.25}}),
      sample("batched_transA", {{3, 5, 4}, {3, 5, 6}}, {{"transA", one}}),
      sample("sequence_times_weights", {{2, 3, 5}, {5, 4}, {4}}),
      sample("sequence_times_weights_transB", {{2, 3, 5}, {4, 5}}, {{"transB", one}}),
      sample("transposed_sequence_times_weights", {{2, 5, 3}, {5, 4}}, {{"transA", one}}),
      sample("matrix_times_batch", {{4, 5}, {3, 5, 2}}),
      sample("broadcast_batches", {{2, 1, 4, 5}, {3, 5, 2}}),
      sample("vector_vector", {{6}, {6}}),
      sample("matrix_vector", {{4, 6}, {6}}),
      sample("vector_matrix", {{6}, {6, 3}}),
      sample("batch_vector", {{2, 4, 6}, {6}}),
      sample("vector_batch", {{6}, {2, 6, 3}, {3}}),
      sample("wide", {{64, 96}, {96, 48}, {48}}),
  };
}

}  // namespace

std::vector<OpDef> matmul_ops() {
  using enum Role;
  return {{.name = "MatMul",
           .inputs = {Operand, Operand, F32},
           .outputs = {Carrier},
           .infer = infer_matmul,
           .gradient = matmul_gradient,
           .flops = matmul_flops,
           .samples = matmul_samples,
           .layout = LayoutRule::RowMajor,
           .compute = true}};
}

}  // namespace mpsearch
