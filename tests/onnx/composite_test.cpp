// Operators that the import makes of others: shapes and the operators that they become.
#include <gtest/gtest.h>

#include <map>

#include "models/onnx/builder.h"
#include "models/onnx/import.h"
#include "models/op.h"
#include "tests/onnx/files.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;
using Counts = std::map<std::string, int>;

class Composite : public Files {
 protected:
  /// A model of one node that reads inputs of these shapes.
  Model imported(const std::string& op, const std::vector<Shape>& inputs, Attributes attributes,
                 int opset = 18) {
    OnnxBuilder builder("test", opset);
    std::vector<std::string> names;
    for (const Shape& shape : inputs) {
      names.push_back(
          builder.input("x" + std::to_string(names.size()), {shape.begin(), shape.end()}));
    }
    builder.output(builder.node("node", op, names, attributes));
    return import_model(write("model.onnx", builder.bytes()), {});
  }

  static Counts ops(const Model& model) {
    Counts count;
    for (const Node& entry : model.graph.nodes) ++count[std::string(entry.op->name)];
    return count;
  }

  static const Shape& output_shape(const Model& model) {
    return model.graph.value(model.graph.outputs.at(0)).type.shape;
  }

  Model einsum(const std::string& equation, const std::vector<Shape>& inputs) {
    return imported("Einsum", inputs, {{"equation", equation}});
  }
};

TEST_F(Composite, makes_matrix_products_of_an_einsum) {
  const Model scores = einsum("bqhd,bkhd->bhqk", {{2, 5, 4, 8}, {2, 7, 4, 8}});
  EXPECT_EQ(output_shape(scores), (Shape{2, 4, 5, 7}));
  EXPECT_EQ(ops(scores).at("MatMul"), 1);
  EXPECT_EQ(output_shape(einsum("ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}})), (Shape{2, 5}));
  EXPECT_EQ(output_shape(einsum("ij,kj", {{2, 3}, {4, 3}})), (Shape{2, 4}));
  EXPECT_EQ(output_shape(einsum("i,j->ij", {{2}, {3}})), (Shape{2, 3}));
  EXPECT_EQ(output_shape(einsum("...ij,...jk->...ik", {{6, 5, 2, 3}, {6, 5, 3, 4}})),
            (Shape{6, 5, 2, 4}));
  EXPECT_EQ(output_shape(einsum("bij->jb", {{2, 3, 4}})), (Shape{4, 2}));
  EXPECT_EQ(ops(einsum("ij->ji", {{2, 3}})), (Counts{{"Transpose", 1}}));
}

TEST_F(Composite, takes_diagonals_of_an_einsums_operands) {
  EXPECT_EQ(ops(einsum("ii->i", {{3, 3}})), (Counts{{"Reshape", 1}, {"Slice", 1}}));
  EXPECT_EQ(output_shape(einsum("ii", {{3, 3}})), (Shape{}));
  EXPECT_EQ(output_shape(einsum("iji->ij", {{3, 2, 3}})), (Shape{3, 2}));
  EXPECT_EQ(output_shape(einsum("...ii->...i", {{2, 3, 5, 5}})), (Shape{2, 3, 5}));
  EXPECT_EQ(output_shape(einsum("iiijj->ji", {{2, 2, 2, 3, 3}})), (Shape{3, 2}));
  EXPECT_EQ(output_shape(einsum("ii,ij->j", {{3, 3}, {3, 4}})), (Shape{4}));
}

TEST_F(Composite, refuses_an_einsum_that_it_cannot_write_as_products) {
  EXPECT_THROW(einsum("ii->i", {{3, 4}}), Error);
  EXPECT_THROW(einsum("ij,jk->ik", {{2, 3}}), Error);
  EXPECT_THROW(einsum("ij->ijk", {{2, 3}}), Error);
}

TEST_F(Composite, moves_channels_to_pixels_and_back) {
  const Attributes two{{"blocksize", std::int64_t{2}}};
  EXPECT_EQ(output_shape(imported("DepthToSpace", {{1, 8, 3, 4}}, two)), (Shape{1, 2, 6, 8}));
  EXPECT_EQ(output_shape(imported("SpaceToDepth", {{1, 2, 6, 8}}, two)), (Shape{1, 8, 3, 4}));
}

TEST_F(Composite, reduces_all_dimensions_where_no_axes_are_given) {
  EXPECT_EQ(output_shape(imported("ReduceLogSumExp", {{2, 3}}, {})), (Shape{1, 1}));
  EXPECT_EQ(
      output_shape(imported("ReduceMax", {{2, 3}}, {{"noop_with_empty_axes", std::int64_t{1}}})),
      (Shape{2, 3}));
  EXPECT_EQ(ops(imported("GlobalMaxPool", {{2, 3, 4, 5}}, {})), (Counts{{"ReduceMax", 1}}));
}

TEST_F(Composite, folds_the_angles_of_positions) {
  OnnxBuilder builder("test", 17);
  builder.input("x", {2, 3, 2});
  const std::string positions = builder.constant("positions", {3, 1}, std::vector<float>{0, 1, 2});
  const std::string rates = builder.constant("rates", {1, 2}, std::vector<float>{1, 0.5F});
  const std::string angles = builder.node("angles", "MatMul", {positions, rates});
  builder.output(builder.node("y", "Mul", {"x", builder.node("cos", "Cos", {angles})}));
  EXPECT_EQ(ops(import_model(write("model.onnx", builder.bytes()), {})), (Counts{{"Mul", 1}}));
}

TEST_F(Composite, takes_the_largest_of_all_pixels_for_a_window_of_all) {
  const Attributes whole{{"kernel_shape", Shape{20, 30}}};
  EXPECT_EQ(ops(imported("MaxPool", {{1, 2, 20, 30}}, whole)), (Counts{{"ReduceMax", 1}}));
  EXPECT_EQ(output_shape(imported("MaxPool", {{1, 2, 20, 30}}, whole)), (Shape{1, 2, 1, 1}));
  EXPECT_EQ(ops(imported("Hardmax", {{4, 5}}, {})),
            (Counts{{"ReduceMax", 1}, {"ReduceMaxGrad", 1}}));
}

TEST_F(Composite, resizes_by_the_scales_of_every_opset) {
  for (const int opset : {9, 10, 13, 18}) {
    OnnxBuilder builder("test", opset);
    builder.input("x", {1, 2, 4, 6});
    builder.initializer("scales", {4}, std::vector<float>{1, 1, 2, 0.5F});
    const std::string op = opset < 10 ? "Upsample" : "Resize";
    const std::vector<std::string> inputs = opset < 11
                                                ? std::vector<std::string>{"x", "scales"}
                                                : std::vector<std::string>{"x", "", "scales"};
    builder.output(builder.node("node", op, inputs, {{"mode", std::string("linear")}}));
    const Model model = import_model(write("model.onnx", builder.bytes()), {});
    EXPECT_EQ(output_shape(model), (Shape{1, 2, 8, 3})) << opset;
    EXPECT_EQ(model.graph.nodes[0].attributes.text("coordinate_transformation_mode", ""),
              opset < 11 ? "asymmetric" : "half_pixel")
        << opset;
  }
}

TEST_F(Composite, unrolls_recurrent_nodes_with_one_product_for_all_inputs) {
  const Shape x{5, 2, 3};
  const Model lstm = imported("LSTM", {x, {1, 16, 3}, {1, 16, 4}}, {{"hidden_size", Int{4}}});
  EXPECT_EQ(output_shape(lstm), (Shape{5, 1, 2, 4}));
  EXPECT_EQ(ops(lstm).at("MatMul"), 1 + 5);
  const Attributes both{{"hidden_size", Int{4}}, {"direction", std::string("bidirectional")}};
  const Model gru = imported("GRU", {x, {2, 12, 3}, {2, 12, 4}, {2, 24}}, both);
  EXPECT_EQ(output_shape(gru), (Shape{5, 2, 2, 4}));
  EXPECT_EQ(ops(gru).at("MatMul"), 2 * (1 + 2 * 5));
  const Model rnn = imported("RNN", {{2, 5, 3}, {1, 4, 3}, {1, 4, 4}},
                             {{"hidden_size", Int{4}}, {"layout", Int{1}}});
  EXPECT_EQ(output_shape(rnn), (Shape{2, 5, 1, 4}));
  EXPECT_EQ(ops(rnn).at("Tanh"), 5);
}

TEST_F(Composite, refuses_recurrent_nodes_that_contradict) {
  const Attributes of_4{{"hidden_size", Int{4}}};
  EXPECT_THROW(imported("LSTM", {{5, 2, 3}, {1, 12, 3}, {1, 16, 4}}, of_4), Error);
  EXPECT_THROW(imported("GRU", {{5, 2, 3}, {2, 12, 3}, {2, 12, 4}}, of_4), Error);
  EXPECT_THROW(
      imported("RNN", {{5, 2, 3}, {1, 4, 3}, {1, 4, 4}}, {{"hidden_size", Int{4}}, {"clip", 1.0}}),
      Error);
}

}  // namespace
}  // namespace mpsearch
