#include "models/onnx/small_float.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace mpsearch {
namespace {

using onnx::TensorProto;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Layout {
  int mantissa;  // bits
  int bias;
  int bits;       // of a code
  double most;    // the greatest finite number
  double beyond;  // what a greater one becomes where Cast does not saturate
};

Layout layout_of(int type) {
  switch (type) {
    case TensorProto::FLOAT8E4M3FN:
      return {3, 7, 8, 448, kNaN};
    case TensorProto::FLOAT8E4M3FNUZ:
      return {3, 8, 8, 240, kNaN};
    case TensorProto::FLOAT8E5M2:
      return {2, 15, 8, 57344, kInfinity};
    case TensorProto::FLOAT8E5M2FNUZ:
      return {2, 16, 8, 57344, kNaN};
    default:
      return {1, 1, 4, 6, 6};  // FLOAT4E2M1
  }
}

bool without_zero_sign(int type) {
  return type == TensorProto::FLOAT8E4M3FNUZ || type == TensorProto::FLOAT8E5M2FNUZ;
}

/// NaN and infinities by their codes; 0 where the code is a number.
double special(int type, std::uint8_t code) {
  const int size = code & 0x7F;
  const double sign = (code & 0x80) != 0 ? -1 : 1;
  if (without_zero_sign(type)) return code == 0x80 ? kNaN : 0;
  if (type == TensorProto::FLOAT8E4M3FN) return size == 0x7F ? kNaN : 0;
  if (type != TensorProto::FLOAT8E5M2 || size < 0x7C) return 0;
  return size == 0x7C ? sign * kInfinity : kNaN;
}

}  // namespace

bool onnx_is_small_float(int type) {
  switch (type) {
    case TensorProto::FLOAT8E4M3FN:
    case TensorProto::FLOAT8E4M3FNUZ:
    case TensorProto::FLOAT8E5M2:
    case TensorProto::FLOAT8E5M2FNUZ:
    case TensorProto::FLOAT4E2M1:
    case TensorProto::FLOAT8E8M0:
      return true;
    default:
      return false;
  }
}

double small_float_value(int type, std::uint8_t code) {
  if (type == TensorProto::FLOAT8E8M0) return code == 0xFF ? kNaN : std::ldexp(1.0, code - 127);
  if (const double value = special(type, code); value != 0) return value;
  const Layout layout = layout_of(type);
  const int sign_bit = 1 << (layout.bits - 1);
  const int size = code & (sign_bit - 1);
  const int exponent = size >> layout.mantissa;
  const int fraction = size & ((1 << layout.mantissa) - 1);
  const int whole = exponent == 0 ? fraction : fraction + (1 << layout.mantissa);
  const double value = std::ldexp(whole, std::max(exponent, 1) - layout.bias - layout.mantissa);
  return (code & sign_bit) != 0 ? -value : value;
}

double to_small_float(int type, double value, bool saturate) {
  if (std::isnan(value)) return type == TensorProto::FLOAT4E2M1 ? -0.0 : kNaN;
  if (type == TensorProto::FLOAT8E8M0) {
    if (!(value > 0)) return value == 0 ? std::ldexp(1.0, -127) : kNaN;
    const double power = std::exp2(std::ceil(std::log2(value)));
    return std::clamp(power, std::ldexp(1.0, -127), std::ldexp(1.0, 127));
  }
  const Layout layout = layout_of(type);
  const double size = std::fabs(value);
  const int exponent = std::isinf(size) || size == 0 ? 0 : std::ilogb(size);
  const double step = std::ldexp(1.0, std::max(exponent, 1 - layout.bias) - layout.mantissa);
  double nearest = std::isinf(size) ? size : std::nearbyint(size / step) * step;
  if (nearest > layout.most) nearest = saturate ? layout.most : layout.beyond;
  return std::copysign(nearest, value);
}

}  // namespace mpsearch
