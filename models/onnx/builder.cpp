#include "models/onnx/builder.h"

#include <onnx/checker.h>

#include <cstring>

#include "kernels/error.h"
#include "models/onnx/proto.h"
#include "models/onnx/write.h"

namespace mpsearch {
namespace {

void set_type(onnx::ValueInfoProto& info, const std::string& name, const std::vector<OnnxDim>& dims,
              DType dtype) {
  info.set_name(name);
  onnx::TypeProto_Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx_type_of(dtype));
  tensor.mutable_shape();
  for (const OnnxDim& dim : dims) {
    auto& added = *tensor.mutable_shape()->add_dim();
    if (const auto* size = std::get_if<std::int64_t>(&dim)) {
      added.set_dim_value(*size);
    } else {
      added.set_dim_param(std::get<std::string>(dim));
    }
  }
}

struct SetAttribute {
  onnx::AttributeProto& proto;

  void operator()(std::int64_t value) const {
    proto.set_type(onnx::AttributeProto::INT);
    proto.set_i(value);
  }
  void operator()(double value) const {
    proto.set_type(onnx::AttributeProto::FLOAT);
    proto.set_f(static_cast<float>(value));
  }
  void operator()(const std::string& value) const {
    proto.set_type(onnx::AttributeProto::STRING);
    proto.set_s(value);
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    proto.set_type(onnx::AttributeProto::INTS);
    proto.mutable_ints()->Assign(values.begin(), values.end());
  }
  void operator()(const std::vector<double>& values) const {
    proto.set_type(onnx::AttributeProto::FLOATS);
    proto.mutable_floats()->Assign(values.begin(), values.end());
  }
};

}  // namespace

struct OnnxBuilder::Impl {
  onnx::ModelProto model;
};

OnnxBuilder::OnnxBuilder(std::string_view graph_name, int opset, int ir_version)
    : impl_(std::make_unique<Impl>()) {
  impl_->model.set_ir_version(ir_version);
  impl_->model.set_producer_name("mpsearch");
  impl_->model.add_opset_import()->set_version(opset);
  impl_->model.mutable_graph()->set_name(std::string(graph_name));
}

OnnxBuilder::OnnxBuilder(OnnxBuilder&&) noexcept = default;
OnnxBuilder::~OnnxBuilder() = default;

std::string OnnxBuilder::input(std::string name, const std::vector<OnnxDim>& dims, DType dtype) {
  set_type(*impl_->model.mutable_graph()->add_input(), name, dims, dtype);
  return name;
}

std::string OnnxBuilder::initializer(std::string name, const Shape& shape,
                                     std::span<const float> values) {
  onnx::TensorProto& tensor = *impl_->model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.mutable_dims()->Assign(shape.begin(), shape.end());
  tensor.set_raw_data(values.data(), values.size_bytes());
  return name;
}

std::string OnnxBuilder::initializer(std::string name, std::span<const std::int64_t> values) {
  onnx::TensorProto& tensor = *impl_->model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::INT64);
  tensor.add_dims(static_cast<std::int64_t>(values.size()));
  tensor.set_raw_data(values.data(), values.size_bytes());
  return name;
}

std::string OnnxBuilder::external(std::string name, const Shape& shape, const std::string& location,
                                  const std::string& offset, const std::string& length) {
  onnx::TensorProto& tensor = *impl_->model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.mutable_dims()->Assign(shape.begin(), shape.end());
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const auto& [key, value] :
       {std::pair{"location", location}, {"offset", offset}, {"length", length}}) {
    onnx::StringStringEntryProto& entry = *tensor.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  }
  return name;
}

std::string OnnxBuilder::constant(const std::string& name, const Shape& shape,
                                  std::span<const float> values) {
  node(name, "Constant", {});
  onnx::AttributeProto& attribute =
      *impl_->model.mutable_graph()->mutable_node()->rbegin()->add_attribute();
  attribute.set_name("value");
  attribute.set_type(onnx::AttributeProto::TENSOR);
  onnx::TensorProto& tensor = *attribute.mutable_t();
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.mutable_dims()->Assign(shape.begin(), shape.end());
  tensor.set_raw_data(values.data(), values.size_bytes());
  return name;
}

std::string OnnxBuilder::node(std::string name, std::string_view op,
                              const std::vector<std::string>& inputs, const Attributes& attributes,
                              std::vector<std::string> outputs) {
  onnx::NodeProto& node = *impl_->model.mutable_graph()->add_node();
  if (outputs.empty()) outputs = {name};
  node.set_name(name);
  node.set_op_type(std::string(op));
  node.mutable_input()->Assign(inputs.begin(), inputs.end());
  node.mutable_output()->Assign(outputs.begin(), outputs.end());
  for (const auto& [key, value] : attributes.entries()) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(key);
    std::visit(SetAttribute{attribute}, value);
  }
  return outputs.front();
}

void OnnxBuilder::output(const std::string& name, const std::vector<OnnxDim>& dims, DType dtype) {
  set_type(*impl_->model.mutable_graph()->add_output(), name, dims, dtype);
}

void OnnxBuilder::output(const std::string& name) {
  onnx::ValueInfoProto& info = *impl_->model.mutable_graph()->add_output();
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
}

std::string OnnxBuilder::bytes() const { return impl_->model.SerializeAsString(); }

void OnnxBuilder::write(const std::filesystem::path& path) const {
  try {
    onnx::checker::check_model(impl_->model, /*full_check=*/true);
  } catch (const std::exception& error) {
    throw Error(ErrorKind::Internal,
                std::string("a built model fails ONNX's check: ") + error.what());
  }
  write_model(impl_->model, path);
}

}  // namespace mpsearch
