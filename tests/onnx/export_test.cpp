#include "models/onnx/export.h"

#include <onnx/checker.h>
#include <onnx/onnx_pb.h>
#include <onnx/shape_inference/implementation.h>

#include <cstring>
#include <map>
#include <set>

#include "kernels/number/convert.h"
#include "models/onnx/builder.h"
#include "models/onnx/write.h"
#include "models/zoo/zoo.h"
#include "tests/onnx/files.h"

namespace mpsearch {
namespace {

using Floats = std::vector<float>;

class Export : public Files {
 protected:
  onnx::ModelProto parsed(const std::filesystem::path& path) const {
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(read(path)));
    return model;
  }

  static Floats floats(const Value& value) {
    Floats numbers(value.data->size() / sizeof(float));
    std::memcpy(numbers.data(), value.data->data(), value.data->size());
    return numbers;
  }

  /// Every parameter and statistic of a model, plus one.
  static TrainedValues moved(const Model& model) {
    TrainedValues values;
    for (const Value& value : model.graph.values) {
      if (value.kind != ValueKind::Parameter && value.kind != ValueKind::State) continue;
      values[value.name] = floats(value);
      for (float& number : values[value.name]) number += 1;
    }
    return values;
  }

  static void expect_holds(const Model& model, const TrainedValues& values) {
    std::size_t found = 0;
    for (const Value& value : model.graph.values) {
      if (value.kind != ValueKind::Parameter && value.kind != ValueKind::State) continue;
      ASSERT_TRUE(values.contains(value.name)) << value.name;
      EXPECT_EQ(floats(value), values.at(value.name)) << value.name;
      ++found;
    }
    EXPECT_EQ(found, values.size());
  }

  static std::vector<ExportedLayer> layers_of(const Model& model,
                                              const std::vector<Precision>& cycle) {
    std::vector<ExportedLayer> layers;
    for (const Layer& layer : model.graph.layers) {
      const Precision precision = cycle[layers.size() % cycle.size()];
      layers.push_back({layer.name, precision, 0.5, 1000, 0.25, "because"});
    }
    return layers;
  }

  /// ONNX's own full check, types included.
  static void expect_typed(const onnx::ModelProto& model) {
    EXPECT_NO_THROW(onnx::checker::check_model(model, true));
    onnx::ModelProto inferred = model;
    EXPECT_NO_THROW(onnx::shape_inference::InferShapes(
        inferred, onnx::OpSchemaRegistry::Instance(), onnx::ShapeInferenceOptions(true, 1, false)));
  }
};

TEST_F(Export, writes_trained_values_into_an_ordinary_model) {
  write_zoo("resnet18", {{"width", 0.125}}, folder / "net.onnx");
  const TrainedValues values = moved(import_model(folder / "net.onnx"));
  export_trained(folder / "net.onnx", values, {{"mpsearch.mean", "0.5"}}, folder / "trained.onnx");
  expect_holds(import_model(folder / "trained.onnx"), values);
  const onnx::ModelProto before = parsed(folder / "net.onnx");
  const onnx::ModelProto after = parsed(folder / "trained.onnx");
  EXPECT_EQ(after.graph().node_size(), before.graph().node_size());
  EXPECT_EQ(after.graph().input_size(), before.graph().input_size());
  ASSERT_EQ(after.graph().initializer_size(), before.graph().initializer_size());
  for (int i = 0; i < after.graph().initializer_size(); ++i) {
    EXPECT_EQ(after.graph().initializer(i).name(), before.graph().initializer(i).name());
  }
  EXPECT_EQ(after.metadata_props(0).value(), "0.5");
  EXPECT_NO_THROW(onnx::checker::check_model(after, true));
}

TEST_F(Export, writes_what_pytorch_exported_back_in_inference_mode) {
  const std::filesystem::path data = std::filesystem::path(MPSEARCH_SOURCE_DIR) / "tests/reference";
  for (const char* name :
       {"resnet18.onnx", "resnet18-unoptimized.onnx", "lenet-default.onnx", "vgg.onnx"}) {
    const TrainedValues values = moved(import_model(data / name));
    export_trained(data / name, values, {}, folder / "trained.onnx");
    expect_holds(import_model(folder / "trained.onnx"), values);
    const onnx::ModelProto model = parsed(folder / "trained.onnx");
    EXPECT_NO_THROW(onnx::checker::check_model(model, true)) << name;
    for (const onnx::NodeProto& node : model.graph().node()) {
      if (node.op_type() != "BatchNormalization") continue;
      EXPECT_EQ(node.output_size(), 1);
      for (const onnx::AttributeProto& attribute : node.attribute())
        EXPECT_NE(attribute.name(), "training_mode");
    }
  }
}

TEST_F(Export, gives_each_norm_its_own_statistics_where_they_shared_a_constant) {
  OnnxBuilder builder("shared");
  builder.input("x", {2, 3});
  builder.initializer("g", {3}, Floats(3, 1));
  builder.initializer("b", {3}, Floats(3, 0));
  builder.node("zeros", "Constant", {}, {{"value_floats", std::vector<double>(3, 0.0)}});
  builder.node("ones", "Constant", {}, {{"value_floats", std::vector<double>(3, 1.0)}});
  builder.node("bn1", "BatchNormalization", {"x", "g", "b", "zeros", "ones"});
  builder.output(builder.node("bn2", "BatchNormalization", {"bn1", "g", "b", "zeros", "ones"}));
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  TrainedValues values = moved(import_model(path));
  values.at("bn1.running_mean") = {1, 2, 3};
  values.at("bn2.running_mean") = {4, 5, 6};
  export_trained(path, values, {}, folder / "trained.onnx");
  expect_holds(import_model(folder / "trained.onnx"), values);
}

TEST_F(Export, keeps_weights_equal_that_an_exporter_has_torn_apart) {
  OnnxBuilder builder("tied");
  builder.input("tokens", {5}, DType::I64);
  builder.initializer("table", {3, 2}, Floats{1, 2, 3, 4, 5, 6});
  builder.initializer("head", {2, 3}, Floats{1, 3, 5, 2, 4, 6});
  builder.node("embed", "Gather", {"table", "tokens"});
  builder.output(builder.node("out", "MatMul", {"embed", "head"}), {5, 3});
  const std::filesystem::path path = write("model.onnx", builder.bytes());
  const Model model = import_model(path);
  EXPECT_EQ(model.notes.front(),
            "'head' holds the elements of 'table': the two are tied and train as one");
  TrainedValues values = moved(model);
  EXPECT_EQ(values.size(), 1U);
  add_tied(values, model);
  export_trained(path, values, {}, folder / "trained.onnx");
  const Model again = import_model(folder / "trained.onnx");
  EXPECT_EQ(again.ties.size(), 1U);
  expect_holds(again, moved(model));

  ImportOptions apart;
  apart.freeze = {"head"};
  EXPECT_TRUE(import_model(path, apart).ties.empty());
}

TEST_F(Export, keeps_the_element_types_of_the_file) {
  onnx::ModelProto model;
  {
    OnnxBuilder builder("half");
    builder.input("x", {2, 3});
    builder.initializer("w", {3, 3}, Floats(9, 0.5));
    builder.output(builder.node("fc", "MatMul", {"x", "w"}), {2, 3});
    model.ParseFromString(builder.bytes());
  }
  onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
  w.set_data_type(onnx::TensorProto::FLOAT16);
  w.set_raw_data(std::string(18, '\0'));
  for (onnx::ValueInfoProto* info :
       {model.mutable_graph()->mutable_input(0), model.mutable_graph()->mutable_output(0)}) {
    info->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT16);
  }
  const std::filesystem::path path = write("model.onnx", model.SerializeAsString());
  const Model imported = import_model(path);
  EXPECT_EQ(imported.notes.front(), "1 tensors of type FLOAT16 become F32 masters");
  export_trained(path, {{"w", Floats(9, 1.0F / 3)}}, {}, folder / "trained.onnx");
  const onnx::ModelProto trained = parsed(folder / "trained.onnx");
  const F16 third = encode<F16>(1.0F / 3);
  std::string expected;
  for (int i = 0; i < 9; ++i) expected.append(reinterpret_cast<const char*>(&third), 2);
  EXPECT_EQ(trained.graph().initializer(0).raw_data(), expected);
}

TEST_F(Export, refuses_values_that_the_file_does_not_have) {
  write_zoo("mlp", {{"hidden", 4}}, folder / "net.onnx");
  const Error error = error_of([&] {
    export_trained(folder / "net.onnx", {{"nothing", {1}}}, {}, folder / "trained.onnx");
  });
  EXPECT_EQ(error.kind(), ErrorKind::Internal);
  EXPECT_FALSE(std::filesystem::exists(folder / "trained.onnx"));
}

TEST_F(Export, puts_weights_beyond_protobufs_limit_beside_the_file) {
  write_zoo("mlp", {}, folder / "net.onnx");
  onnx::ModelProto model = parsed(folder / "net.onnx");
  write_model(model, folder / "split.onnx", 100'000);
  EXPECT_LT(std::filesystem::file_size(folder / "split.onnx"), 20'000u);
  const Model whole = import_model(folder / "net.onnx");
  const Model split = import_model(folder / "split.onnx");
  ASSERT_EQ(whole.graph.values.size(), split.graph.values.size());
  for (std::size_t i = 0; i < whole.graph.values.size(); ++i) {
    if (whole.graph.values[i].data == nullptr) continue;
    EXPECT_EQ(*whole.graph.values[i].data, *split.graph.values[i].data);
  }
}

TEST_F(Export, types_every_plan_strongly) {
  using enum Precision;
  for (const char* name : {"lenet", "vgg", "resnet18"}) {
    write_zoo(name, {{"width", 0.125}}, folder / "net.onnx");
    const Model model = import_model(folder / "net.onnx");
    const std::vector<std::vector<Precision>> plans{
        {FP32}, {BF16}, {FP16}, {FP8}, {FP8, FP32, FP16, BF16}};
    for (const std::vector<Precision>& plan : plans) {
      export_plan(folder / "net.onnx", {}, layers_of(model, plan), {}, {}, folder / "plan.onnx");
      expect_typed(parsed(folder / "plan.onnx"));
    }
  }
}

TEST_F(Export, writes_the_plan_into_the_nodes) {
  write_zoo("lenet", {}, folder / "net.onnx");
  const Model model = import_model(folder / "net.onnx");
  const std::vector<ExportedLayer> layers =
      layers_of(model, {Precision::BF16, Precision::FP8, Precision::FP16});
  const std::vector<std::string> notes =
      export_plan(folder / "net.onnx", {}, layers, {}, {}, folder / "plan.onnx");
  EXPECT_EQ(notes.size(), 2u);
  const onnx::ModelProto plan = parsed(folder / "plan.onnx");
  std::map<std::string, std::string> precision;
  std::map<std::string, int> ops;
  for (const onnx::NodeProto& node : plan.graph().node()) {
    ++ops[node.op_type()];
    for (const onnx::StringStringEntryProto& entry : node.metadata_props()) {
      if (entry.key() == "mpsearch.precision") precision[node.name()] = entry.value();
    }
  }
  EXPECT_EQ(precision.at("conv1"), "BF16");
  EXPECT_EQ(precision.at("relu1"), "BF16");
  EXPECT_EQ(precision.at("conv2"), "FP8");
  EXPECT_EQ(precision.at("fc1"), "FP16");
  EXPECT_EQ(ops.at("QuantizeLinear"), 4);  // x and w of conv2 and fc3
  EXPECT_EQ(plan.graph().output(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
}

TEST_F(Export, refuses_a_plan_of_another_model) {
  write_zoo("lenet", {}, folder / "net.onnx");
  const Error error = error_of([&] {
    const std::vector<ExportedLayer> layers{{"conv1", Precision::FP32, 0, 0, 0, ""}};
    export_plan(folder / "net.onnx", {}, layers, {}, {}, folder / "plan.onnx");
  });
  EXPECT_EQ(error.kind(), ErrorKind::BadContent);
  EXPECT_EQ(error.text().what, "the plan has no layer 'conv2'");
}

}  // namespace
}  // namespace mpsearch
