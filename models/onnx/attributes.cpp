#include "models/onnx/attributes.h"

#include "kernels/error.h"

namespace mpsearch {
namespace {

using onnx::AttributeProto;

const AttributeProto* find_typed(const onnx::NodeProto& node, std::string_view name,
                                 AttributeProto::AttributeType type) {
  const AttributeProto* attribute = find_attribute(node, name);
  if (attribute == nullptr || attribute->type() == type) return attribute;
  throw Error(ErrorKind::BadContent, "attribute '" + std::string(name) + "' has type " +
                                         AttributeProto::AttributeType_Name(attribute->type()) +
                                         ", expected " + AttributeProto::AttributeType_Name(type));
}

}  // namespace

const AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name) {
  for (const AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

std::int64_t integer_of(const onnx::NodeProto& node, std::string_view name,
                        std::int64_t otherwise) {
  const AttributeProto* attribute = find_typed(node, name, AttributeProto::INT);
  return attribute == nullptr ? otherwise : attribute->i();
}

double number_of(const onnx::NodeProto& node, std::string_view name, double otherwise) {
  const AttributeProto* attribute = find_typed(node, name, AttributeProto::FLOAT);
  return attribute == nullptr ? otherwise : static_cast<double>(attribute->f());
}

std::string text_of(const onnx::NodeProto& node, std::string_view name,
                    std::string_view otherwise) {
  const AttributeProto* attribute = find_typed(node, name, AttributeProto::STRING);
  return attribute == nullptr ? std::string(otherwise) : attribute->s();
}

Shape integers_of(const onnx::NodeProto& node, std::string_view name) {
  const AttributeProto* attribute = find_typed(node, name, AttributeProto::INTS);
  return attribute == nullptr ? Shape{} : Shape(attribute->ints().begin(), attribute->ints().end());
}

}  // namespace mpsearch
