// What import makes of single operators: their attributes by opset, the nodes that they become.
#include "models/onnx/export.h"
#include "tests/onnx/import_fixture.h"

namespace mpsearch {
namespace {

TEST_F(Import, pads_so_that_every_stride_starts_a_window) {
  for (const char* mode : {"SAME_UPPER", "SAME_LOWER"}) {
    const Model model = imported(
        [&](OnnxBuilder& b) {
          b.initializer("w", {1, 1, 4, 3}, Floats(12, 1));
          return b.node("conv", "Conv", {"x", "w"},
                        {{"auto_pad", std::string(mode)}, {"strides", Ints{2, 2}}});
        },
        17, {}, {1, 1, 7, 7});
    // 7 pixels, stride 2: 4 windows reach 10 rows and 9 columns, 3 and 2 more than there are.
    const Ints pads = std::string(mode) == "SAME_UPPER" ? Ints{1, 1, 2, 1} : Ints{2, 1, 1, 1};
    EXPECT_EQ(node(model, "conv").attributes.integers("pads"), pads) << mode;
    EXPECT_EQ(output_shape(model), (Shape{1, 1, 4, 4})) << mode;
  }
}

TEST_F(Import, reads_clip_dropout_and_axes_as_attributes_or_inputs_by_opset) {
  for (const int opset : {9, 13, 18}) {
    const Model model = imported(
        [&](OnnxBuilder& b) {
          b.initializer("low", {}, Floats{-1});
          b.initializer("high", {}, Floats{6});
          b.initializer("ratio", {}, Floats{0.25});
          b.initializer("axes", Ints{-1});
          std::string y = opset < 11 ? b.node("clip", "Clip", {"x"}, {{"min", -1.0}, {"max", 6.0}})
                                     : b.node("clip", "Clip", {"x", "low", "high"});
          y = opset < 12 ? b.node("drop", "Dropout", {y}, {{"ratio", 0.25}})
                         : b.node("drop", "Dropout", {y, "ratio"});
          return opset < 18 ? b.node("mean", "ReduceMean", {y}, {{"axes", Ints{-1}}})
                            : b.node("mean", "ReduceMean", {y, "axes"});
        },
        opset);
    EXPECT_EQ(to_string(node(model, "clip").attributes), "max=6,min=-1") << opset;
    EXPECT_EQ(node(model, "drop").attributes.number("ratio", 0), 0.25) << opset;
    EXPECT_EQ(to_string(node(model, "mean").attributes), "axes=[1],keepdims=1") << opset;
    EXPECT_EQ(output_shape(model), (Shape{2, 1})) << opset;
  }
}

TEST_F(Import, aligns_a_bias_at_its_axis_before_opset_7) {
  const Model model = imported(
      [](OnnxBuilder& b) {
        b.initializer("w", {3, 3, 1, 1}, Floats(9, 1));
        b.initializer("c", {3}, Floats(3, 1));
        return b.node("add", "Add", {b.node("conv", "Conv", {"x", "w"}), "c"},
                      {{"broadcast", std::int64_t{1}}, {"axis", std::int64_t{1}}});
      },
      6, {}, {2, 3, 5, 5});
  EXPECT_EQ(output_shape(model), (Shape{2, 3, 5, 5}));
  EXPECT_EQ(value(model, "c").kind, ValueKind::Parameter);
  const ValueId bias = node(model, "add").inputs[1];
  EXPECT_EQ(model.graph.value(bias).type.shape, (Shape{3, 1, 1}));
}

TEST_F(Import, expands_operators_through_their_bodies_where_it_knows_all_of_them) {
  const Model model =
      imported([](OnnxBuilder& b) { return b.node("norm", "MeanVarianceNormalization", {"x"}); },
               17, {}, {2, 3, 4, 4});
  EXPECT_EQ(ops(model).at("ReduceMean"), 2);
  // A body with an operator that is not there: the file's own name is reported.
  const std::filesystem::path path =
      built([](OnnxBuilder& b) { return b.node("drawn", "Bernoulli", {"x"}); });
  const ModelSummary summary = summarize_model(path);
  ASSERT_EQ(summary.unsupported.size(), 1u);
  EXPECT_EQ(summary.unsupported[0].op, "Bernoulli");
}

TEST_F(Import, takes_operators_that_are_onnxs_as_they_are) {
  const Model model = imported([](OnnxBuilder& b) {
    const std::string y = b.node("leaky", "LeakyRelu", {"x"}, {{"alpha", 0.125}});
    return b.node("selu", "Selu", {b.node("elu", "Elu", {y})});
  });
  EXPECT_EQ(ops(model), (std::map<std::string, int>{{"Elu", 1}, {"LeakyRelu", 1}, {"Selu", 1}}));
  EXPECT_EQ(node(model, "leaky").attributes.number("alpha", 0), 0.125);
  EXPECT_EQ(node(model, "elu").attributes.number("alpha", 0), 1);
  EXPECT_NEAR(node(model, "selu").attributes.number("gamma", 0), 1.0507010, 1e-6);
}

TEST_F(Import, makes_simple_operators_of_those_it_has) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("zero", {}, Floats{0});
    b.initializer("two", {}, Floats{2});
    return b.node("square", "Pow", {b.node("max", "Max", {"zero", "x"}), "two"});
  });
  EXPECT_EQ(ops(model), (std::map<std::string, int>{{"Square", 1}, {"Clip", 1}}));
  EXPECT_EQ(node(model, "max").attributes.number("min", 1), 0);
}

TEST_F(Import, joins_clips_that_nothing_reads_between) {
  const auto clipped = [&](float low, float high, bool read_between) {
    return imported([&](OnnxBuilder& b) {
      b.initializer("low", {}, Floats{low});
      b.initializer("high", {}, Floats{high});
      b.node("max", "Max", {"x", "low"});
      b.node("min", "Min", {"max", "high"});
      return read_between ? b.node("sum", "Add", {"max", "min"}) : "min";
    });
  };
  const Model one = clipped(0, 6, false);
  EXPECT_EQ(ops(one), (std::map<std::string, int>{{"Clip", 1}}));
  EXPECT_EQ(node(one, "min").attributes.number("min", -1), 0);
  EXPECT_EQ(node(one, "min").attributes.number("max", -1), 6);
  EXPECT_EQ(ops(clipped(0, 6, true)).at("Clip"), 2);
  EXPECT_EQ(ops(clipped(6, 0, false)).at("Clip"), 2) << "a constant";
}

TEST_F(Import, sizes_transposed_convolutions_by_any_of_their_attributes) {
  const auto y = [&](const Attributes& attributes, const std::vector<OnnxDim>& x = {1, 3, 5, 4}) {
    return output_shape(imported(
        [&](OnnxBuilder& b) {
          b.initializer("w", {3, 2, 3, 3}, Floats(54, 1));
          return b.node("up", "ConvTranspose", {"x", "w"}, attributes);
        },
        17, {}, x));
  };
  const Ints two{2, 2};
  EXPECT_EQ(y({}), (Shape{1, 2, 7, 6}));
  EXPECT_EQ(y({{"strides", two}, {"pads", Ints{1, 1, 1, 1}}, {"output_padding", Ints{1, 1}}}),
            (Shape{1, 2, 10, 8}));
  EXPECT_EQ(y({{"strides", two}, {"auto_pad", std::string("SAME_UPPER")}}), (Shape{1, 2, 10, 8}));
  EXPECT_EQ(y({{"strides", two}, {"output_shape", Ints{12, 9}}}), (Shape{1, 2, 12, 9}));
}

TEST_F(Import, multiplies_vectors_as_rows_and_columns) {
  const auto y = [&](Ints w_shape, const std::vector<OnnxDim>& x, std::size_t count) {
    return output_shape(imported(
        [&](OnnxBuilder& b) {
          b.initializer("w", w_shape, Floats(count, 1));
          return b.node("product", "MatMul", {"x", "w"});
        },
        17, {}, x));
  };
  EXPECT_EQ(y({4}, {4}, 4), (Shape{}));
  EXPECT_EQ(y({4}, {2, 3, 4}, 4), (Shape{2, 3}));
  EXPECT_EQ(y({2, 4, 5}, {4}, 40), (Shape{2, 5}));
  EXPECT_EQ(y({5, 1, 4, 6}, {3, 2, 4}, 120), (Shape{5, 3, 2, 6}));
}

TEST_F(Import, converts_files_of_before_opset_6) {
  const Model model = imported(
      [](OnnxBuilder& b) {
        b.initializer("w", {4, 3}, Floats(12, 1));
        b.initializer("c", {4}, Floats(4, 1));
        const std::string y = b.node("fc", "Gemm", {"x", "w", "c"},
                                     {{"transB", std::int64_t{1}}, {"broadcast", std::int64_t{1}}});
        return b.node("flat", "Reshape",
                      {b.node("relu", "Relu", {y}), b.initializer("shape", Ints{2, 4})});
      },
      5);
  EXPECT_EQ(ops(model).at("MatMul"), 1);
  EXPECT_EQ(ops(model).at("Relu"), 1);
  EXPECT_EQ(output_shape(model), (Shape{2, 4}));
}

TEST_F(Import, makes_the_mask_of_a_dropout_from_the_same_random_numbers) {
  const Model model = imported(
      [](OnnxBuilder& b) {
        b.node("drop", "Dropout", {"x"}, {}, {"y", "mask"});
        return b.node("kept", "Where", {"mask", "y", "x"});
      },
      17, {}, {2, 3, 4, 5});
  std::vector<const Node*> dropouts;
  for (const Node& entry : model.graph.nodes) {
    if (entry.op->name == "Dropout") dropouts.push_back(&entry);
  }
  ASSERT_EQ(dropouts.size(), 2u);
  EXPECT_EQ(to_string(dropouts[0]->attributes), to_string(dropouts[1]->attributes));
  for (const Node* dropout : dropouts) {  // elements are counted alike in vectors alone
    EXPECT_EQ(model.graph.value(dropout->inputs[0]).type.shape, (Shape{120}));
  }
  EXPECT_EQ(output_shape(model), (Shape{2, 3, 4, 5}));
}

TEST_F(Import, keeps_a_norm_in_training_mode_whose_statistics_are_read) {
  const std::filesystem::path file = built(
      [](OnnxBuilder& b) {
        for (const char* name : {"scale", "shift", "mean", "variance"}) {
          b.initializer(name, {3}, Floats(3, 1));
        }
        b.node("norm", "BatchNormalization", {"x", "scale", "shift", "mean", "variance"},
               {{"training_mode", std::int64_t{1}}}, {"y", "new_mean", "new_variance"});
        return b.node("sum", "Add", {"new_mean", "new_variance"});
      },
      17, {4, 3});
  const Model model = import_model(file, {});
  EXPECT_TRUE(model.running_statistics.empty());
  EXPECT_EQ(ops(model).at("BatchNormalization"), 1);
  EXPECT_EQ(output_shape(model), (Shape{3}));
  const std::filesystem::path trained = folder / "trained.onnx";
  export_trained(file, {}, {}, trained);
  EXPECT_EQ(ops(import_model(trained, {})), ops(model));
}

}  // namespace
}  // namespace mpsearch
