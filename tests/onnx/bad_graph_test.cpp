// Graphs that are no sound network: one error, with the node's or the tensor's name.
#include <onnx/onnx_pb.h>

#include <limits>

#include "models/onnx/builder.h"
#include "models/onnx/import.h"
#include "models/onnx/op_map.h"
#include "tests/onnx/files.h"

namespace mpsearch {
namespace {

class BadGraph : public Files {
 protected:
  BadGraph() {
    builder.input("x", {"N", std::int64_t{4}});
    builder.initializer("w", {4, 4}, std::vector<float>(16, 0.5F));
  }

  /// Ends the model in `output` and gives what its import says, all four parts.
  std::string text(const std::string& output) {
    builder.output(output);
    const std::filesystem::path path = write("model.onnx", builder.bytes());
    const Error error = error_of([&] { import_model(path); });
    EXPECT_EQ(error.kind(), ErrorKind::BadContent);
    const ErrorText& text = error.text();
    return text.what + "\n" + text.at + "\n" + text.why + "\n" + text.try_;
  }

  static void expect_all(const std::string& text, const std::vector<std::string>& parts) {
    for (const std::string& part : parts) {
      EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
    }
  }

  OnnxBuilder builder{"bad"};
};

TEST_F(BadGraph, two_writers_of_a_value_are_named) {
  builder.node("first", "Relu", {"x"});
  const std::string bytes = builder.bytes();
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(bytes));
  *model.mutable_graph()->add_node() = model.graph().node(0);
  model.mutable_graph()->mutable_node(1)->set_name("second");
  *model.mutable_graph()->add_output() = model.graph().input(0);
  model.mutable_graph()->mutable_output(0)->set_name("first");
  const std::filesystem::path path = write("model.onnx", model.SerializeAsString());
  const Error error = error_of([&] { import_model(path); });
  EXPECT_EQ(error.text().what, "nodes 'first' and 'second' both write 'first'");
}

TEST_F(BadGraph, integers_as_a_weight_name_the_node) {
  builder.initializer("w8", std::vector<std::int64_t>(4, 1));
  expect_all(text(builder.node("fc", "MatMul", {"x", "w8"})), {"'fc'", "INT64"});
}

TEST_F(BadGraph, a_split_into_other_parts_than_it_has_outputs_names_the_node) {
  OnnxBuilder newer("bad", 18);
  newer.input("x", {"N", std::int64_t{4}});
  newer.output(newer.node("parts", "Split", {"x"},
                          {{"axis", std::int64_t{1}}, {"num_outputs", std::int64_t{1} << 20}}));
  const std::filesystem::path path = write("model.onnx", newer.bytes());
  const Error error = error_of([&] { import_model(path); });
  expect_all(error.text().what + error.text().at + error.text().why, {"'parts'", "1 outputs"});
}

TEST_F(BadGraph, a_cycle_names_a_node_on_it) {
  builder.node("a", "Add", {"x", "b"});
  expect_all(text(builder.node("b", "MatMul", {"a", "w"})), {"'b'", "name: a"});
}

TEST_F(BadGraph, an_input_that_nothing_provides_is_named) {
  expect_all(text(builder.node("fc", "MatMul", {"x", "nowhere"})), {"'nowhere'", "name: fc"});
}

TEST_F(BadGraph, a_name_that_two_nodes_write_is_named) {
  builder.node("fc", "MatMul", {"x", "w"}, {}, {"same"});
  expect_all(text(builder.node("relu", "Relu", {"same"}, {}, {"same"})), {"'same'"});
}

TEST_F(BadGraph, two_initializers_of_one_name_are_named) {
  builder.initializer("w", {4, 4}, std::vector<float>(16, 0.25F));
  expect_all(text(builder.node("fc", "MatMul", {"x", "w"})), {"'w'", "two initializers"});
}

TEST_F(BadGraph, an_output_that_is_listed_twice_is_named) {
  builder.node("fc", "MatMul", {"x", "w"});
  builder.output("fc");
  expect_all(text("fc"), {"output 'fc' is listed twice"});
}

TEST_F(BadGraph, an_input_of_size_0_is_named_unless_its_size_is_given) {
  OnnxBuilder empty("empty");
  empty.input("x", {std::int64_t{0}, std::int64_t{4}});
  empty.initializer("w", {4, 4}, std::vector<float>(16, 0.5F));
  empty.output(empty.node("fc", "MatMul", {"x", "w"}));
  const std::filesystem::path path = write("model.onnx", empty.bytes());
  const Error error = error_of([&] { summarize_model(path); });
  EXPECT_EQ(error.kind(), ErrorKind::BadContent);
  EXPECT_EQ(error.text().what, "dimension 0 of input 'x' has size 0 in the file");
  EXPECT_EQ(error.text().try_, "--input x=32,4");
  EXPECT_EQ(import_model(path, {.batch = 8}).batch, 8);
  EXPECT_EQ(import_model(path, {.inputs = {{"x", {6, 4}}}}).batch, 6);
}

TEST_F(BadGraph, a_shape_that_depends_on_the_data_is_named_with_its_input) {
  builder.node("fc", "MatMul", {"x", "w"});
  builder.input("wanted", {2}, DType::I64);
  expect_all(text(builder.node("reshape", "Reshape", {"fc", "wanted"})),
             {"Reshape", "'reshape'", "'wanted' depends on the data"});
}

TEST_F(BadGraph, an_output_without_elements_names_its_node) {
  builder.initializer("none", {4, 0}, std::vector<float>{});
  expect_all(text(builder.node("fc", "MatMul", {"x", "none"})), {"'fc'", "[32, 0]"});
}

TEST_F(BadGraph, sizes_that_overflow_name_their_node) {
  builder.node("fc", "MatMul", {"x", "w"});
  builder.initializer("shape", std::vector<std::int64_t>{1LL << 40, 1LL << 20, 32, 4});
  expect_all(text(builder.node("expand", "Expand", {"fc", "shape"})), {"'expand'"});
}

TEST_F(BadGraph, a_parameter_that_is_not_finite_is_named) {
  std::vector<float> values(16, 0.5F);
  values[7] = std::numeric_limits<float>::quiet_NaN();
  builder.initializer("bad", {4, 4}, values);
  expect_all(text(builder.node("fc", "MatMul", {"x", "bad"})), {"'bad'", "element 7 is nan"});
}

TEST_F(BadGraph, an_operator_that_nobody_knows_is_named) {
  expect_all(text(builder.node("magic", "Magic", {"x"})), {"Magic", "Name: magic"});
}

TEST(Registry, an_operator_that_onnx_lacks_is_named_at_once) {
  EXPECT_EQ(first_opset("Gelu"), 20);
  const Error error = error_of([] { first_opset("Magic"); });
  EXPECT_EQ(error.kind(), ErrorKind::Internal);
  EXPECT_NE(error.text().what.find("'Magic'"), std::string::npos);
}

}  // namespace
}  // namespace mpsearch
