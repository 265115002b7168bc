// Attributes of an ONNX node by name and type. Internal to models/onnx.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/tensor.h"
#include "models/onnx/proto.h"

namespace mpsearch {

/// Null where the node has no such attribute.
const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, std::string_view name);

/// The attribute, or `otherwise` where it is absent. Throws BadContent where it has another type.
std::int64_t integer_of(const onnx::NodeProto& node, std::string_view name, std::int64_t otherwise);
double number_of(const onnx::NodeProto& node, std::string_view name, double otherwise);
std::string text_of(const onnx::NodeProto& node, std::string_view name, std::string_view otherwise);
Shape integers_of(const onnx::NodeProto& node, std::string_view name);  // empty where absent

}  // namespace mpsearch
