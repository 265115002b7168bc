// ONNX's messages and what we know of their element types. Internal to models/onnx.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>

#include "kernels/tensor.h"

namespace mpsearch {

/// Bytes of one element of TensorProto::DataType `type`; 0 where elements have no fixed whole size.
int onnx_element_bytes(int type);

bool onnx_is_float(int type);    // FLOAT, FLOAT16, BFLOAT16, DOUBLE
bool onnx_is_integer(int type);  // (U)INT8 ... (U)INT64 and BOOL

/// "FLOAT16", as ONNX spells it; the number where ONNX has no such type.
std::string onnx_type_name(int type);

int onnx_type_of(DType dtype);

/// Dimensions of a tensor.
Shape shape_of(const onnx::TensorProto& tensor);

/// Name of a node in messages: its own, else its operator's and its index in the graph.
std::string node_label(const onnx::NodeProto& node, int index);

}  // namespace mpsearch
