// Tensors that the import computes with: shapes, indices, scalars, masks. Internal to models/onnx.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/graph.h"
#include "models/onnx/file.h"

namespace mpsearch {

/// Elements as integers or as doubles, by `type` (TensorProto::DataType); the other list is empty.
struct HostTensor {
  int type = 0;
  Shape shape;
  std::vector<std::int64_t> integers;
  std::vector<double> reals;

  bool real() const { return onnx_is_float(type); }
  std::size_t size() const { return real() ? reals.size() : integers.size(); }
  double number(std::size_t i) const {
    return real() ? reals[i] : static_cast<double>(integers[i]);
  }
};

/// Whether elements of this type can be computed with.
bool has_host_elements(int type);

/// Zeros. Throws BadContent for more elements than folding allows (2^26), or another type.
HostTensor host_tensor(int type, const Shape& shape);
HostTensor host_vector(const std::vector<std::int64_t>& values);  // INT64, rank 1

HostTensor host_tensor(const Initializer& initializer);
HostTensor host_tensor(const onnx::TensorProto& tensor);

/// What a value becomes when it is stored as `type`: floats rounded (those of 8 and 4 bits beyond
/// their range as Cast's `saturate` says), integers wrapped.
double rounded(int type, double value, bool saturate = true);
std::int64_t wrapped(int type, std::int64_t value);

/// Elements as F32 where the type is a float, as BOOL bytes, else as I64.
TensorType stored_type(int onnx_type, const Shape& shape);
Bytes stored_bytes(const HostTensor& tensor);
Bytes stored_bytes(const Initializer& initializer);

/// F32 elements in another float type: what an export writes back.
std::string encoded(int onnx_type, std::span<const float> values);

}  // namespace mpsearch
