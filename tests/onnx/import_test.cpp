// What import makes of whole files: parameters, batches, shapes, final activations, bad ones.
#include "models/training.h"
#include "models/zoo/zoo.h"
#include "tests/onnx/import_fixture.h"

namespace mpsearch {
namespace {

TEST_F(Import, takes_a_gemm_apart_into_a_product_with_its_attributes) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w", {4, 3}, Floats(12, 1));
    b.initializer("c", {4}, Floats(4, 1));
    return b.node("fc", "Gemm", {"x", "w", "c"},
                  {{"transB", std::int64_t{1}}, {"alpha", 0.5}, {"beta", 2.0}});
  });
  const Node& fc = node(model, "fc");
  EXPECT_EQ(fc.op->name, "MatMul");
  EXPECT_EQ(to_string(fc.attributes), "alpha=0.5,beta=2,transA=0,transB=1");
  EXPECT_EQ(value(model, "w").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "c").kind, ValueKind::Parameter);
  EXPECT_EQ(output_shape(model), (Shape{2, 4}));
}

TEST_F(Import, takes_a_bias_into_the_product_before_it) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w", {3, 4}, Floats(12, 1));
    b.initializer("c", {4}, Floats(4, 1));
    return b.node("add", "Add", {"c", b.node("fc", "MatMul", {"x", "w"})});
  });
  EXPECT_EQ(ops(model), (std::map<std::string, int>{{"MatMul", 1}}));
  EXPECT_EQ(node(model, "fc").inputs.size(), 3u);
}

TEST_F(Import, lets_the_product_transpose_a_weight_which_stays_the_master) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w", {4, 3}, Floats(12, 1));
    const std::string w = b.node("t", "Transpose", {b.node("i", "Identity", {"w"})});
    return b.node("fc", "MatMul", {"x", w});
  });
  EXPECT_EQ(ops(model), (std::map<std::string, int>{{"MatMul", 1}}));
  EXPECT_EQ(to_string(node(model, "fc").attributes), "transA=0,transB=1");
  EXPECT_EQ(value(model, "w").kind, ValueKind::Parameter);
}

TEST_F(Import, folds_shape_arithmetic_into_the_shape_of_a_reshape) {
  for (const int opset : {10, 13}) {
    const Model model = imported(
        [&](OnnxBuilder& b) {
          b.initializer("zero", Ints{0});
          b.initializer("rest", Ints{-1});
          b.node("shape", "Shape", {"x"});
          b.node("first", "Gather", {"shape", "zero"});
          b.node("target", "Concat", {"first", "rest"}, {{"axis", std::int64_t{0}}});
          return b.node("flat", "Reshape", {"x", "target"});
        },
        opset, {.batch = 5}, {"N", 3, 4});
    EXPECT_EQ(output_shape(model), (Shape{5, 12})) << opset;
    EXPECT_EQ(ops(model), (std::map<std::string, int>{{"Reshape", 1}})) << opset;
  }
}

TEST_F(Import, uses_32_for_a_symbolic_batch_and_the_same_size_for_the_same_symbol) {
  OnnxBuilder builder("test");
  builder.input("a", {"N", 3});
  builder.input("b", {"N", "M"});
  builder.output(builder.node("add", "Add", {"a", "b"}));
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  const Model model = import_model(path, {.inputs = {{"b", {32, 1}}}});
  EXPECT_EQ(model.batch, 32);
  EXPECT_EQ(output_shape(model), (Shape{32, 3}));
  const Error error = error_of([&] { import_model(path); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.text().what, "dimension 1 of input 'b' has no fixed size");
  EXPECT_EQ(error.text().try_, "--input b=32,SIZE");
}

TEST_F(Import, takes_a_size_of_0_or_less_for_an_open_one) {
  OnnxBuilder builder("test");
  builder.input("x", {-1, 3});
  builder.output(builder.node("y", "Relu", {"x"}), {0, 3});
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  EXPECT_EQ(output_shape(import_model(path)), (Shape{32, 3}));
}

TEST_F(Import, rewrites_a_fixed_batch_where_shapes_write_it_literally) {
  const auto build = [](OnnxBuilder& b) {
    b.initializer("heads", Ints{4, 2, 3});
    b.initializer("merged", Ints{8, 3});
    b.initializer("back", Ints{-1, 6});
    b.node("split", "Reshape", {"x", "heads"});
    b.node("merge", "Reshape", {"split", "merged"});
    return b.node("join", "Reshape", {"merge", "back"});
  };
  const Model model = imported(build, 17, {.batch = 7}, {4, 6});
  EXPECT_EQ(output_shape(model), (Shape{7, 6}));
  EXPECT_EQ(model.graph.value(node(model, "split").outputs[0]).type.shape, (Shape{7, 2, 3}));
  EXPECT_EQ(model.graph.value(node(model, "merge").outputs[0]).type.shape, (Shape{14, 3}));
}

TEST_F(Import, names_the_node_that_does_not_follow_another_batch) {
  const std::filesystem::path path = built(
      [](OnnxBuilder& b) {
        b.initializer("c", {4, 6}, Floats(24, 1));
        return b.node("add", "Add", {"x", "c"});
      },
      17, {4, 6});
  EXPECT_EQ(import_model(path).batch, 4);
  const Error error = error_of([&] { import_model(path, {.batch = 7}); });
  EXPECT_EQ(error.kind(), ErrorKind::BadContent);
  EXPECT_NE(error.text().what.find("node 'add'"), std::string::npos) << error.text().what;
  EXPECT_EQ(error.text().why,
            "the file was written for batch 4, and this node does not follow another one");
}

TEST_F(Import, checks_constant_indices_against_the_dimensions_that_they_reach) {
  const auto rows = [](std::int64_t row) {
    return [row](OnnxBuilder& b) {
      b.initializer("table", {49, 3}, Floats(147, 0.5F));
      b.initializer("row", Ints{row});
      b.initializer("column", Ints{1, 1});
      b.node("index", "Reshape", {"row", "column"});
      b.node("pick", "GatherND", {"table", "index"});
      return b.node("sum", "Add", {"x", "pick"});
    };
  };
  EXPECT_EQ(output_shape(imported(rows(23))), (Shape{2, 3}));
  const std::filesystem::path beyond = built(rows(49));
  EXPECT_NE(error_of([&] { import_model(beyond); }).text().what.find("index 49 is out of range"),
            std::string::npos);
}

TEST_F(Import, takes_a_product_of_a_value_with_itself_for_a_square) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w", {3, 3}, Floats(9, 0.5F));
    b.node("fc", "MatMul", {"x", "w"});
    return b.node("power", "Mul", {"fc", "fc"});
  });
  EXPECT_EQ(model.graph.nodes.back().op->name, "Square");
}

TEST_F(Import, decides_by_role_what_trains) {
  const auto build = [](OnnxBuilder& b) {
    b.initializer("mean", {3}, Floats(3, 1));
    b.initializer("two", {1}, Floats{2});
    b.initializer("w", {3, 3}, Floats(9, 1));
    b.initializer("gain", {3}, Floats(3, 1));
    b.initializer("mask", {3}, Floats(3, -std::numeric_limits<float>::infinity()));
    b.node("centre", "Sub", {"x", "mean"});
    b.node("fc", "MatMul", {"centre", "w"});
    b.node("scale", "Mul", {"fc", "two"});
    b.node("gained", "Mul", {"scale", "gain"});
    b.initializer("windows", {3}, Floats{0, -100, 0});
    b.node("masked", "Add", {"gained", "mask"});
    return b.node("shifted", "Add", {"masked", "windows"});
  };
  const Model model = imported(build);
  EXPECT_EQ(value(model, "windows").kind, ValueKind::Constant);
  EXPECT_EQ(value(model, "mean").kind, ValueKind::Constant);
  EXPECT_EQ(value(model, "two").kind, ValueKind::Constant);
  EXPECT_EQ(value(model, "w").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "gain").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "mask").kind, ValueKind::Constant);
  const Model other = imported(build, 17, {.freeze = {"ga*"}, .train = {"mean", "t?o"}});
  EXPECT_EQ(value(other, "mean").kind, ValueKind::Parameter);
  EXPECT_EQ(value(other, "two").kind, ValueKind::Parameter);
  EXPECT_EQ(value(other, "gain").kind, ValueKind::Constant);
  const Error error = error_of([&] { imported(build, 17, {.freeze = {"gainn*"}}); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_NE(error.text().why.find("gain"), std::string::npos) << error.text().why;
}

TEST_F(Import, leaves_the_last_softmax_to_the_loss_and_no_other) {
  const Model last = imported([](OnnxBuilder& b) {
    return b.node("soft", "Softmax", {b.node("relu", "Relu", {"x"})}, {{"axis", std::int64_t{-1}}});
  });
  EXPECT_EQ(last.final_activations[0], "Softmax");
  EXPECT_EQ(ops(last), (std::map<std::string, int>{{"Relu", 1}}));
  const Model first = imported([](OnnxBuilder& b) {
    return b.node("soft", "Softmax", {b.node("relu", "Relu", {"x"})}, {{"axis", std::int64_t{0}}});
  });
  EXPECT_EQ(first.final_activations[0], "");
  EXPECT_EQ(ops(first).at("Softmax"), 1);
}

TEST_F(Import, gives_the_last_sigmoid_back_to_a_squared_error) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w", {3, 3}, Floats(9, 1));
    return b.node("sigmoid", "Sigmoid", {b.node("fc", "MatMul", {"x", "w"})});
  });
  const auto sigmoids = [&](LossKind loss) {
    TrainingOptions options;
    options.loss = loss;
    const StepGraph step = training_graph(model, options);
    int count = 0;
    for (const Node& entry : step.graph.nodes) count += entry.op->name == "Sigmoid" ? 1 : 0;
    return count;
  };
  EXPECT_EQ(sigmoids(LossKind::BinaryCrossEntropy), 0);
  EXPECT_EQ(sigmoids(LossKind::MeanSquaredError), 1);
}

TEST_F(Import, trains_batch_normalization_whose_statistics_come_from_constants) {
  const Model model = imported(
      [](OnnxBuilder& b) {
        b.initializer("three", Ints{3});
        b.initializer("g", {3}, Floats(3, 2));
        b.initializer("b", {3}, Floats(3, 0));
        b.node("zeros", "ConstantOfShape", {"three"});
        b.node("one", "Constant", {}, {{"value_float", 1.0}});
        b.node("ones", "Expand", {"one", "three"});
        return b.node("bn", "BatchNormalization", {"x", "g", "b", "zeros", "ones"},
                      {{"momentum", 0.75}});
      },
      17, {}, {2, 3});
  ASSERT_EQ(model.running_statistics.size(), 1u);
  const RunningStatisticsOf& statistics = model.running_statistics[0];
  EXPECT_EQ(model.graph.node(statistics.node).name, "bn");
  EXPECT_EQ(statistics.momentum, 0.75);
  EXPECT_EQ(model.graph.value(statistics.mean).kind, ValueKind::State);
  EXPECT_EQ(floats(model.graph.value(statistics.mean)), Floats(3, 0));
  EXPECT_EQ(floats(model.graph.value(statistics.variance)), Floats(3, 1));
}

TEST_F(Import, trains_weights_that_the_file_writes_as_constant_nodes) {
  const Model model = imported([](OnnxBuilder& b) {
    b.constant("v", {3, 3}, Floats{1, 2, 3, 4, 5, 6, 7, 8, 9});
    b.constant("ones", {3}, Floats(3, 1));
    return b.node("fc", "Gemm", {"x", "v", "ones"});
  });
  EXPECT_EQ(value(model, "v").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "ones").kind, ValueKind::Constant);
}

TEST_F(Import, drops_what_no_output_needs_even_where_it_is_not_supported) {
  const Model model = imported([](OnnxBuilder& b) {
    b.node("unused", "Bernoulli", {"x"});
    return b.node("relu", "Relu", {"x"});
  });
  EXPECT_EQ(ops(model), (std::map<std::string, int>{{"Relu", 1}}));
}

TEST_F(Import, lists_all_unsupported_operators_at_once) {
  const std::filesystem::path path = built([](OnnxBuilder& b) {
    b.node("c1", "Bernoulli", {"x"});
    b.node("r", "Relu", {"c1"});
    b.node("d", "Det", {"r"});
    return b.node("c2", "Bernoulli", {"d"});
  });
  const ModelSummary summary = summarize_model(path);
  EXPECT_FALSE(summary.supported);
  ASSERT_EQ(summary.unsupported.size(), 2u);
  EXPECT_EQ(summary.unsupported[0].op, "Bernoulli");
  EXPECT_EQ(summary.unsupported[0].count, 2);
  EXPECT_EQ(summary.unsupported[0].first_node, "c1");
  EXPECT_EQ(summary.unsupported[1].op, "Det");
  const Error error = error_of([&] { import_model(path); });
  EXPECT_EQ(error.kind(), ErrorKind::BadContent);
  EXPECT_EQ(error.text().what, "3 of 4 nodes use 2 operators that cannot be trained");
}

TEST_F(Import, names_an_output_that_needs_nothing_that_is_missing) {
  OnnxBuilder builder("classes");
  builder.input("x", {2, 3});
  builder.initializer("w", {3, 2}, Floats{1, 2, 3, 4, 5, 6});
  builder.node("scores", "MatMul", {"x", "w"});
  builder.output(builder.node("drawn", "Bernoulli", {"scores"}));
  builder.output("scores");
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  const ModelSummary summary = summarize_model(path);
  EXPECT_FALSE(summary.supported);
  EXPECT_EQ(summary.notes.back(),
            "output 'scores' needs none of the operators that are missing: --loss 'scores=KIND' "
            "trains it alone");
  EXPECT_TRUE(error_of([&] { import_model(path); })
                  .text()
                  .try_.starts_with("--loss 'scores=KIND': that output needs none of them; "));
}

TEST_F(Import, does_not_blame_nodes_behind_what_it_lacks) {
  const std::filesystem::path path = built([](OnnxBuilder& b) {
    b.node("drawn", "Bernoulli", {"x"});
    b.node("shape", "Cast", {"drawn"}, {{"to", std::int64_t{7}}});
    return b.node("fill", "ConstantOfShape", {"shape"});
  });
  const ModelSummary summary = summarize_model(path);
  ASSERT_EQ(summary.unsupported.size(), 1u);
  EXPECT_EQ(summary.unsupported[0].op, "Bernoulli");
}

TEST_F(Import, counts_parameters_that_the_file_holds_as_constant_nodes) {
  const ModelSummary summary = summarize_model(built([](OnnxBuilder& b) {
    b.constant("w", {3, 2}, Floats{1, 2, 3, 4, 5, 6});
    return b.node("fc", "MatMul", {"x", "w"});
  }));
  EXPECT_EQ(summary.parameters, 6);
  EXPECT_EQ(summary.trainable_parameters, 6);
}

TEST_F(Import, counts_what_the_published_networks_hold) {
  write_zoo("lenet", {}, folder / "lenet.onnx");
  const ModelSummary summary = summarize_model(folder / "lenet.onnx");
  EXPECT_EQ(summary.trainable_parameters, 61'706);
  EXPECT_EQ(summary.inputs.at(0).shape, (std::vector<std::string>{"N", "1", "28", "28"}));
  EXPECT_EQ(summary.opsets.at("ai.onnx"), 17);
  EXPECT_TRUE(summary.supported);
  const Model model = import_model(folder / "lenet.onnx", {.batch = 8});
  EXPECT_EQ(output_shape(model), (Shape{8, 10}));
  EXPECT_EQ(model.graph.layers.size(), 5u);
  EXPECT_EQ(model.graph.layers[0].name, "conv1");
  write_zoo("resnet18", {}, folder / "resnet18.onnx");
  EXPECT_EQ(summarize_model(folder / "resnet18.onnx").trainable_parameters, 11'173'962);
}

/// Parameters, trainable and in total, of tests/reference/nets.py as PyTorch counts them.
TEST_F(Import, reads_what_pytorch_writes_in_each_of_its_ways) {
  const std::filesystem::path data = std::filesystem::path(MPSEARCH_SOURCE_DIR) / "tests/reference";
  const std::map<std::string, int> lenet{
      {"Conv", 2}, {"MatMul", 2}, {"MaxPool", 2}, {"Relu", 3}, {"Reshape", 1}};
  EXPECT_EQ(ops(import_model(data / "lenet.onnx")), lenet);
  EXPECT_EQ(ops(import_model(data / "lenet-default.onnx")), lenet);
  const Model old_way = import_model(data / "resnet18.onnx", {.batch = 16});
  const Model unoptimized = import_model(data / "resnet18-unoptimized.onnx");
  EXPECT_EQ(old_way.running_statistics.size(), 20u);
  EXPECT_EQ(unoptimized.running_statistics.size(), 20u);
  std::map<std::string, Bytes> masters;
  for (const Value& entry : old_way.graph.values) {
    if (entry.kind == ValueKind::Parameter || entry.kind == ValueKind::State)
      masters[entry.name] = *entry.data;
  }
  EXPECT_EQ(masters.size(), 102u);
  for (const Value& entry : unoptimized.graph.values) {
    if (entry.kind == ValueKind::Computed || entry.kind == ValueKind::Input) continue;
    ASSERT_TRUE(masters.contains(entry.name)) << entry.name;
    EXPECT_EQ(masters[entry.name].size(), entry.data->size()) << entry.name;
  }
}

/// ONNX's own node tests: each is imported, or refused with an error; nothing else happens.
TEST_F(Import, imports_or_refuses_every_model_of_the_onnx_project) {
  int supported = 0;
  int models = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator("/usr/share/libonnx-testdata/data")) {
    if (entry.path().extension() != ".onnx") continue;
    ++models;
    try {
      supported += summarize_model(entry.path()).supported ? 1 : 0;
    } catch (const Error& error) {
      EXPECT_NE(error.kind(), ErrorKind::Internal) << entry.path() << ": " << error.what();
    }
  }
  EXPECT_GE(models, 1000);
  EXPECT_GE(supported, 190);
}

}  // namespace
}  // namespace mpsearch
