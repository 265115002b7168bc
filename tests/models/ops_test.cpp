#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kernels/error.h"
#include "models/gradient.h"
#include "models/op.h"

namespace mpsearch {
namespace {

std::string label(const OpDef& op, const OpSample& sample) {
  return std::string(op.name) + "." + sample.name;
}

TEST(Ops, AreFoundByTheirUniqueName) {
  std::set<std::string_view> names;
  for (const OpDef& op : all_ops()) {
    EXPECT_TRUE(names.insert(op.name).second) << op.name;
    EXPECT_EQ(find_op(op.name), &op);
  }
  EXPECT_EQ(find_op("NoSuchOperator"), nullptr);
}

TEST(Ops, AreComplete) {
  for (const OpDef& op : all_ops()) {
    ASSERT_NE(op.infer, nullptr) << op.name;
    ASSERT_NE(op.flops, nullptr) << op.name;
    ASSERT_NE(op.samples, nullptr) << op.name;
    EXPECT_FALSE(op.samples().empty()) << op.name;
    EXPECT_FALSE(op.inputs.empty()) << op.name;
    std::set<std::string> names;
    for (const OpSample& sample : op.samples()) {
      EXPECT_TRUE(names.insert(sample.name).second) << label(op, sample);
      const std::vector<TensorType> outputs = op.infer(sample.attributes, sample.inputs);
      EXPECT_EQ(outputs.size(), op.outputs.size()) << label(op, sample);
      EXPECT_GE(op.flops(sample.attributes, sample.inputs, outputs), 0) << label(op, sample);
    }
  }
}

TEST(Ops, RefuseCallsWithoutInputs) {
  for (const OpDef& op : all_ops()) {
    try {
      op.infer(op.samples()[0].attributes, {});
      ADD_FAILURE() << op.name << " accepts no inputs";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::BadContent) << op.name;
    }
  }
}

/// What the rule of `op` refuses, in its words.
std::string refusal(std::string_view op, const Attributes& attributes, std::vector<Shape> shapes) {
  std::vector<TensorType> inputs;
  for (Shape& shape : shapes) inputs.push_back({std::move(shape), {}});
  try {
    find_op(op)->infer(attributes, inputs);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::BadContent);
    return error.what();
  }
  return "";
}

TEST(ShapeRules, SayWhatDoesNotFit) {
  EXPECT_EQ(refusal("Conv", {}, {{1, 3, 8, 8}, {4, 2, 3, 3}}),
            "weights [4, 2, 3, 3] in 1 groups do not fit 3 input channels");
  EXPECT_EQ(refusal("Conv", {}, {{1, 3, 2, 8}, {4, 3, 3, 3}}),
            "a window of reach 3 does not fit into dimension 0 of [2, 8], even padded");
  EXPECT_EQ(refusal("MatMul", {}, {{2, 3}, {4, 5}}),
            "a matrix product of [2, 3] and [4, 5] sums over 3 and 4 elements");
  EXPECT_EQ(refusal("Add", {}, {{2, 3}, {2}}),
            "shapes [2, 3] and [2] do not broadcast: dimensions are compared from the last and "
            "must be equal or 1");
  EXPECT_EQ(refusal("Reshape", {{"shape", Shape{5}}}, {{2, 3}}),
            "a Reshape of [2, 3] to [5] would change the number of elements");
  EXPECT_EQ(refusal("Softmax", {{"axis", std::int64_t{2}}}, {{2, 3}}),
            "axis is 2, expected 0 to less than the rank 2");
  EXPECT_EQ(refusal("Transpose", {{"perm", Shape{0, 0}}}, {{2, 3}}),
            "perm [0, 0] is no permutation of the dimensions of [2, 3]");
  EXPECT_EQ(refusal("BatchNormalization", {}, {{2, 3}, {3}, {4}}),
            "input 2 (one entry a channel) has shape [4], expected [3]");
}

TEST(ShapeRules, NameTheNodeInAGraph) {
  Graph graph;
  Value a{.name = "a", .type = {{2, 3}, {}}, .data = nullptr};
  const ValueId id = graph.add_value(a);
  try {
    graph.add_node("fc1", "MatMul", {id, id});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.text().at, "node 'fc1' (MatMul) F32[2, 3] F32[2, 3]");
  }
}

/// The rule of ONNX and PyTorch: a last, partial window counts where it starts inside.
TEST(ShapeRules, CeilModeKeepsOnlyWindowsThatStartInside) {
  const auto size = [](std::int64_t x, std::int64_t k, std::int64_t s, std::int64_t begin,
                       std::int64_t end) {
    const Attributes attributes{{"kernel_shape", Shape{k}},
                                {"strides", Shape{s}},
                                {"pads", Shape{begin, end}},
                                {"ceil_mode", std::int64_t{1}}};
    const std::vector<TensorType> x_type{{{1, 1, x}, {}}};
    return find_op("MaxPool")->infer(attributes, x_type)[0].shape[2];
  };
  EXPECT_EQ(size(6, 3, 2, 0, 0), 3);  // windows at 0, 2 and the partial one at 4
  EXPECT_EQ(size(7, 3, 2, 0, 0), 3);
  EXPECT_EQ(size(2, 1, 2, 0, 0), 1);  // a window at 2 would start outside
  EXPECT_EQ(size(5, 2, 3, 1, 1), 2);  // at 6 of the padded 7: in the last padding
}

}  // namespace
}  // namespace mpsearch
