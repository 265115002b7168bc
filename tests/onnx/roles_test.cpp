// Which initializers train where PyTorch's exporters have computed on them, and tensors that they
// wrote once for every row of the batch.
#include <onnx/onnx_pb.h>

#include "models/onnx/export.h"
#include "tests/onnx/import_fixture.h"

namespace mpsearch {
namespace {

class Roles : public Import {
 protected:
  /// Adds what PyTorch's exporter says of a tensor to a model; without more: that it is a
  /// parameter.
  std::filesystem::path marked(
      const std::filesystem::path& path, const std::string& name,
      const std::string& key = "pkg.torch.export.graph_signature.InputSpec.kind",
      const std::string& text = "PARAMETER") {
    onnx::ModelProto model;
    model.ParseFromString(read(path.filename()));
    onnx::ValueInfoProto& info = *model.mutable_graph()->add_value_info();
    info.set_name(name);
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      if (tensor.name() != name) continue;
      info.mutable_type()->mutable_tensor_type()->set_elem_type(tensor.data_type());
      auto& shape = *info.mutable_type()->mutable_tensor_type()->mutable_shape();
      for (const std::int64_t size : tensor.dims()) shape.add_dim()->set_dim_value(size);
    }
    onnx::StringStringEntryProto& entry = *info.add_metadata_props();
    entry.set_key(key);
    entry.set_value(text);
    return write("marked.onnx", model.SerializeAsString());
  }

  std::string read(const std::filesystem::path& name) const { return Files::read(folder / name); }

  /// Learned rows that a norm reads first and a sum after it.
  static std::string latents(OnnxBuilder& b) {
    b.initializer("rows", {1, 3}, Floats{0.1F, 0.2F, 0.3F});
    b.initializer("to", Ints{2, 3});
    b.initializer("gain", {3}, Floats(3, 1));
    b.initializer("w", {3, 3}, Floats(9, 0.5F));
    b.node("wide", "Expand", {"rows", "to"});
    b.node("norm", "LayerNormalization", {"wide", "gain"});
    b.node("fc", "MatMul", {"x", "w"});
    b.node("sum", "Add", {"fc", "norm"});
    return b.node("residual", "Add", {"wide", "sum"});
  }

  /// A class token, written for a batch of four, before two tokens of the data.
  std::filesystem::path token() {
    return built(
        [](OnnxBuilder& b) {
          Floats rows;
          for (int i = 0; i < 4; ++i) rows.insert(rows.end(), {0.1F, 0.2F, 0.3F});
          b.initializer("token", {4, 1, 3}, rows);
          b.initializer("w", {3, 3}, Floats(9, 0.5F));
          b.node("fc", "MatMul", {"x", "w"});
          return b.node("tokens", "Concat", {"token", "fc"}, {{"axis", std::int64_t{1}}});
        },
        17, {4, 2, 3});
  }
};

TEST_F(Roles, a_tensor_that_trains_in_one_place_trains_in_all) {
  const Model model = imported(latents);
  EXPECT_EQ(value(model, "rows").kind, ValueKind::Parameter);
  EXPECT_EQ(ops(model).at("BroadcastTo"), 1);
  EXPECT_EQ(node(model, "norm").inputs[0], node(model, "residual").inputs[0]);
}

TEST_F(Roles, a_marked_parameter_trains_whatever_reads_it) {
  const auto build = [](OnnxBuilder& b) {
    b.initializer("query", {2, 3}, Floats{1, 2, 3, 4, 5, 6});
    b.initializer("gain", {3}, Floats(3, 1));
    b.node("norm", "LayerNormalization", {"query", "gain"});
    return b.node("sum", "Add", {"x", "norm"});
  };
  const std::filesystem::path path = built(build);
  EXPECT_EQ(value(import_model(path), "query").kind, ValueKind::Constant);
  EXPECT_EQ(value(import_model(marked(path, "query")), "query").kind, ValueKind::Parameter);
}

TEST_F(Roles, what_an_exporter_computed_is_no_parameter_where_it_is_subtracted_or_divided_by) {
  const auto build = [](OnnxBuilder& b) {
    b.initializer("w", {3, 3}, Floats(9, 0.5F));
    b.initializer("onnx::Sub_7", {3}, Floats{1, 2, 3});
    b.initializer("onnx::Div_9", {3}, Floats{1, 2, 3});
    b.initializer("onnx::Add_9", {3}, Floats{1, 2, 3});
    b.initializer("centres", {3}, Floats{1, 2, 3});
    b.node("fc", "MatMul", {"x", "w"});
    b.node("grid", "Sub", {"fc", "onnx::Sub_7"});
    b.node("step", "Div", {"grid", "onnx::Div_9"});
    b.node("bias", "Add", {"step", "onnx::Add_9"});
    return b.node("apart", "Sub", {"bias", "centres"});
  };
  const Model model = imported(build);
  EXPECT_EQ(value(model, "onnx::Sub_7").kind, ValueKind::Constant);
  EXPECT_EQ(value(model, "onnx::Div_9").kind, ValueKind::Constant);
  EXPECT_EQ(value(model, "onnx::Add_9").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "centres").kind, ValueKind::Parameter);
}

TEST_F(Roles, a_fill_beside_marked_parameters_is_none) {
  const std::filesystem::path path = built([](OnnxBuilder& b) {
    b.initializer("w", {3, 3}, Floats(9, 0.5F));
    b.initializer("zeros", {2, 3}, Floats(6, 0));
    b.node("fc", "MatMul", {"x", "w"});
    return b.node("more", "Concat", {"fc", "zeros"}, {{"axis", std::int64_t{1}}});
  });
  EXPECT_EQ(value(import_model(path), "zeros").kind, ValueKind::Parameter);
  EXPECT_EQ(value(import_model(marked(path, "w")), "zeros").kind, ValueKind::Constant);
}

TEST_F(Roles, the_bias_of_a_single_result_trains_and_other_tensors_of_one_element_do_not) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w", {3, 1}, Floats{1, 2, 3});
    b.initializer("bias", {1}, Floats{0.5F});
    b.initializer("epsilon", {1}, Floats{1e-5F});
    b.node("fc", "MatMul", {"x", "w"});
    b.node("sum", "Add", {"fc", "bias"});
    return b.node("safe", "Add", {b.node("square", "Mul", {"sum", "sum"}), "epsilon"});
  });
  EXPECT_EQ(value(model, "bias").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "epsilon").kind, ValueKind::Constant);
}

TEST_F(Roles, a_fill_that_was_computed_from_a_parameter_trains) {
  const std::filesystem::path path = built([](OnnxBuilder& b) {
    b.initializer("w", {3, 3}, Floats(9, 0.5F));
    b.initializer("val_7", {1, 3}, Floats(3, 1));
    b.node("fc", "MatMul", {"x", "w"});
    return b.node("scaled", "Mul", {"fc", "val_7"});
  });
  const std::string key = "pkg.onnxscript.optimizer.folded_from";
  const auto kind = [&](const std::string& from) {
    return value(import_model(marked(marked(path, "w"), "val_7", key, from)), "val_7").kind;
  };
  EXPECT_EQ(kind("['block.norm.weight', 'val_3']"), ValueKind::Parameter);
  EXPECT_EQ(kind("['val_3']"), ValueKind::Constant);
  EXPECT_EQ(kind("['block.norm.running_var', 'val_3']"), ValueKind::Constant);
}

TEST_F(Roles, a_row_written_for_the_whole_batch_is_one_parameter_and_follows_another_batch) {
  const std::filesystem::path path = token();
  for (const std::int64_t batch : {4, 7}) {
    const Model model = import_model(path, {.batch = batch});
    EXPECT_EQ(value(model, "token").kind, ValueKind::Parameter);
    EXPECT_EQ(value(model, "token").type.shape, (Shape{1, 1, 3}));
    EXPECT_EQ(floats(value(model, "token")), (Floats{0.1F, 0.2F, 0.3F}));
    EXPECT_EQ(output_shape(model), (Shape{batch, 3, 3}));
  }
  const Model frozen = import_model(path, {.batch = 7, .freeze = {"token"}});
  EXPECT_EQ(value(frozen, "token").kind, ValueKind::Constant);
  EXPECT_EQ(output_shape(frozen), (Shape{7, 3, 3}));
}

TEST_F(Roles, a_scale_of_as_many_channels_as_samples_stays_one) {
  const Model model = imported(
      [](OnnxBuilder& b) {
        b.initializer("w", {4, 4, 1}, Floats(16, 0.5F));
        b.initializer("scale", {4, 1}, Floats(4, 1));
        b.initializer("gain", {4, 1, 1}, Floats(4, 1));
        b.node("conv", "Conv", {"x", "w"});
        b.node("scaled", "Mul", {"conv", "scale"});
        b.node("wide", "Unsqueeze", {"scaled", b.initializer("axis", Ints{3})});
        return b.node("gained", "Mul", {"wide", "gain"});
      },
      17, {}, {4, 4, 3});
  EXPECT_EQ(value(model, "gain").kind, ValueKind::Parameter);
  EXPECT_EQ(value(model, "gain").type.shape, (Shape{4, 1, 1}));
}

TEST_F(Roles, a_trained_row_is_written_to_all_of_the_batch) {
  export_trained(token(), {{"token", {4, 5, 6}}}, {}, folder / "trained.onnx");
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(read("trained.onnx")));
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    if (tensor.name() != "token") continue;
    ASSERT_EQ(tensor.raw_data().size(), 12 * sizeof(float));
    for (std::size_t i = 0; i < 12; ++i) {
      float element = 0;
      std::memcpy(&element, tensor.raw_data().data() + i * sizeof(float), sizeof element);
      EXPECT_EQ(element, static_cast<float>(4 + i % 3));
    }
  }
  EXPECT_EQ(floats(value(import_model(folder / "trained.onnx"), "token")), (Floats{4, 5, 6}));
}

}  // namespace
}  // namespace mpsearch
