// ONNX's messages and what we know of their element types. Internal to models/onnx.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <string>

#include "kernels/tensor.h"

namespace mpsearch {

/// Bits of one element of TensorProto::DataType `type`; 0 where elements have no fixed size.
/// Elements of 2 and 4 bits are packed, the first in the lowest bits of a byte.
int onnx_element_bits(int type);

bool onnx_is_float(int type);    // those that can be trained and those of 8 and 4 bits
bool onnx_trains(int type);      // FLOAT, FLOAT16, BFLOAT16, DOUBLE
bool onnx_is_integer(int type);  // (U)INT2 ... (U)INT64 and BOOL

/// "FLOAT16", as ONNX spells it; the number where ONNX has no such type.
std::string onnx_type_name(int type);

int onnx_type_of(DType dtype);

/// Dimensions of a tensor.
Shape shape_of(const onnx::TensorProto& tensor);

/// Name of a node in messages: its own, else its operator's and its index in the graph.
std::string node_label(const onnx::NodeProto& node, int index);

}  // namespace mpsearch
