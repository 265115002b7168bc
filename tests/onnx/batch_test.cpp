#include <gtest/gtest.h>

#include "kernels/error.h"
#include "models/onnx/builder.h"
#include "models/onnx/import.h"
#include "models/onnx/shape_rules.h"
#include "tests/onnx/files.h"

namespace mpsearch {
namespace {

struct Written {
  const char* what;
  Shape from, result;                 // at the file's batch
  std::vector<std::int64_t> batches;  // that, and sizes made of it
  Shape now, expected;
};

TEST(Rescaled, FollowsTheBatchWhereverAReshapePutsIt) {
  const Written cases[] = {
      {"batch first, heads split", {4, 6, 16}, {4, 6, 2, 8}, {4}, {7, 6, 16}, {7, 6, 2, 8}},
      {"batch second", {6, 5, 48}, {6, 5, 3, 16}, {5}, {6, 9, 48}, {6, 9, 3, 16}},
      {"heads go into the batch", {6, 5, 16}, {6, 10, 8}, {5}, {6, 9, 16}, {6, 18, 8}},
      {"and come out again", {10, 6, 8}, {5, 2, 6, 8}, {5}, {18, 6, 8}, {9, 2, 6, 8}},
      {"rows of all sequences", {6, 5, 16}, {30, 16}, {5}, {6, 9, 16}, {54, 16}},
      {"back, batch second", {30, 16}, {6, 5, 16}, {5}, {54, 16}, {6, 9, 16}},
      {"back, both could", {12, 16}, {6, 2, 16}, {2}, {54, 16}, {6, 9, 16}},
      {"everything flat", {4, 6, 3}, {72}, {4}, {8, 6, 3}, {144}},
      {"windows", {2, 64, 3}, {2, 2, 4, 2, 4, 3}, {2}, {3, 64, 3}, {3, 2, 4, 2, 4, 3}},
      {"of windows", {8, 16, 3}, {2, 2, 2, 16, 3}, {2}, {12, 16, 3}, {3, 2, 2, 16, 3}},
      {"written for one, batch second", {6, 1, 16}, {6, 2, 8}, {1}, {6, 5, 16}, {6, 10, 8}},
      {"written for one, out of rows", {6, 16}, {6, 1, 16}, {1}, {30, 16}, {6, 5, 16}},
      {"a dimension of one is added", {4, 6}, {4, 1, 6, 1}, {4}, {7, 6}, {7, 1, 6, 1}},
      {"of four patches an image", {64, 16, 24}, {1024, 24}, {4, 16}, {64, 96, 24}, {6144, 24}},
      {"and back", {1024, 24}, {64, 16, 24}, {4, 16}, {6144, 24}, {64, 96, 24}},
  };
  for (const Written& c : cases) {
    EXPECT_EQ(rescaled(c.from, c.result, c.now, c.batches), c.expected) << c.what;
  }
  const std::vector<std::int64_t> four{4};
  EXPECT_EQ(rescaled({4, 9}, {6, 6}, {5, 9}, four), Shape{})
      << "no dimension of the result divides";
}

class Batch : public Files {};

/// A class token, as PyTorch writes it: expanded to the batch, put before the others.
TEST_F(Batch, FollowsAnExpandedToken) {
  OnnxBuilder builder("token");
  builder.input("x", {4, 6, 2});
  builder.initializer("token", {1, 1, 2}, std::vector<float>{1, 2});
  builder.initializer("shape", std::vector<std::int64_t>{4, 1, 2});
  builder.node("expand", "Expand", {"token", "shape"});
  builder.output(builder.node("join", "Concat", {"expand", "x"}, {{"axis", std::int64_t{1}}}));
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  const Model model = import_model(path, {.batch = 9});
  EXPECT_EQ(model.graph.value(model.graph.outputs[0]).type.shape, (Shape{9, 7, 2}));
}

/// The states of two layers, as recurrent nets take them: their 2 is no batch.
TEST_F(Batch, IsTheOpenDimensionWhereAnotherInputHasAFixedOne) {
  OnnxBuilder builder("state");
  builder.input("x", {"batch", 3});
  builder.input("state", {2, "batch", 3});
  builder.output(builder.node("sum", "Add", {"x", "state"}), {2, "batch", 3});
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  const Model model = import_model(path, {.inputs = {{"x", {5, 3}}}});
  EXPECT_EQ(model.graph.value(model.graph.outputs[0]).type.shape, (Shape{2, 5, 3}));
  EXPECT_EQ(import_model(path).graph.value(model.graph.inputs[0]).type.shape, (Shape{32, 3}));
}

}  // namespace
}  // namespace mpsearch
