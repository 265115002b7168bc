#include "models/onnx/proto.h"

#include "kernels/error.h"
#include "models/onnx/small_float.h"

namespace mpsearch {

using onnx::TensorProto;

int onnx_element_bits(int type) {
  switch (type) {
    case TensorProto::INT2:
    case TensorProto::UINT2:
      return 2;
    case TensorProto::INT4:
    case TensorProto::UINT4:
    case TensorProto::FLOAT4E2M1:
      return 4;
    case TensorProto::BOOL:
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::FLOAT8E4M3FN:
    case TensorProto::FLOAT8E4M3FNUZ:
    case TensorProto::FLOAT8E5M2:
    case TensorProto::FLOAT8E5M2FNUZ:
    case TensorProto::FLOAT8E8M0:
      return 8;
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
    case TensorProto::INT16:
    case TensorProto::UINT16:
      return 16;
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32:
      return 32;
    case TensorProto::DOUBLE:
    case TensorProto::INT64:
    case TensorProto::UINT64:
    case TensorProto::COMPLEX64:
      return 64;
    case TensorProto::COMPLEX128:
      return 128;
    default:
      return 0;
  }
}

bool onnx_trains(int type) {
  return type == TensorProto::FLOAT || type == TensorProto::FLOAT16 ||
         type == TensorProto::BFLOAT16 || type == TensorProto::DOUBLE;
}

bool onnx_is_float(int type) { return onnx_trains(type) || onnx_is_small_float(type); }

bool onnx_is_integer(int type) {
  switch (type) {
    case TensorProto::BOOL:
    case TensorProto::INT2:
    case TensorProto::UINT2:
    case TensorProto::INT4:
    case TensorProto::UINT4:
    case TensorProto::INT8:
    case TensorProto::UINT8:
    case TensorProto::INT16:
    case TensorProto::UINT16:
    case TensorProto::INT32:
    case TensorProto::UINT32:
    case TensorProto::INT64:
    case TensorProto::UINT64:
      return true;
    default:
      return false;
  }
}

std::string onnx_type_name(int type) {
  return TensorProto::DataType_IsValid(type)
             ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type))
             : "element type " + std::to_string(type);
}

int onnx_type_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return TensorProto::FLOAT;
    case DType::F16:
      return TensorProto::FLOAT16;
    case DType::BF16:
      return TensorProto::BFLOAT16;
    case DType::F64:
      return TensorProto::DOUBLE;
    case DType::F8E4M3:
      return TensorProto::FLOAT8E4M3FN;
    case DType::F8E5M2:
      return TensorProto::FLOAT8E5M2;
    case DType::I64:
      return TensorProto::INT64;
    case DType::I32:
      return TensorProto::INT32;
    case DType::U8:
      return TensorProto::UINT8;
    case DType::I8:
      return TensorProto::INT8;
    case DType::BOOL:
      return TensorProto::BOOL;
    case DType::BIT:
      break;
  }
  throw Error(ErrorKind::Internal, "ONNX has no bit tensors");
}

Shape shape_of(const TensorProto& tensor) { return {tensor.dims().begin(), tensor.dims().end()}; }

std::string node_label(const onnx::NodeProto& node, int index) {
  return node.name().empty() ? node.op_type() + "_" + std::to_string(index) : node.name();
}

}  // namespace mpsearch
