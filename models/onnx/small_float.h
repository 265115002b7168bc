// Floats of 8 and 4 bits as ONNX defines them: elements of constants and of conformance data.
// Internal to models/onnx; values that train have formats of their own (kernels/number).
#pragma once

#include <cstdint>

namespace mpsearch {

/// Whether `type` (TensorProto::DataType) is FLOAT8..., FLOAT4E2M1 or FLOAT8E8M0.
bool onnx_is_small_float(int type);

/// The number that a code of such a type stands for.
double small_float_value(int type, std::uint8_t code);

/// What Cast makes of a value: the nearest number of the type, ties to even (FLOAT8E8M0: the next
/// greater power of two). Beyond the greatest: that, where Cast saturates, else what the type has
/// for it. ONNX's documentation of Cast, "Float 8".
double to_small_float(int type, double value, bool saturate);

}  // namespace mpsearch
