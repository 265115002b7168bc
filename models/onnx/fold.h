// Nodes whose result is known at import: shape arithmetic, constants, masks. Evaluated on host
// tensors. Internal to models/onnx; one table in fold.cpp.
#pragma once

#include <span>
#include <string_view>

#include "models/onnx/host_tensor.h"

namespace mpsearch {

/// Whether the table has this operator (of the standard domain).
bool can_fold(std::string_view op);

/// The node's first output. `inputs`: null where an optional input is missing. Throws BadContent.
HostTensor fold(const onnx::NodeProto& node, int opset, std::span<const HostTensor* const> inputs);

/// The value of a Constant node.
HostTensor constant_of(const onnx::NodeProto& node);

/// Dimensions start to end of a Shape node applied to a tensor of this shape.
HostTensor shape_slice(const onnx::NodeProto& node, const Shape& shape);

}  // namespace mpsearch
