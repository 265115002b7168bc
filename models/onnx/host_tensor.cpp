#include "models/onnx/host_tensor.h"

#include <cstring>

#include "kernels/error.h"
#include "kernels/number/convert.h"
#include "models/onnx/small_float.h"

namespace mpsearch {
namespace {

using onnx::TensorProto;

constexpr std::int64_t kMaxFolded = std::int64_t{1} << 26;

template <class T>
T element(std::span<const std::byte> data, std::size_t index) {
  T value;
  std::memcpy(&value, data.data() + index * sizeof(T), sizeof(T));
  return value;
}

/// Bits of element i of a type of 2, 4 or 8 bits.
std::uint8_t code(int type, std::span<const std::byte> data, std::size_t i) {
  const auto bits = static_cast<std::size_t>(onnx_element_bits(type));
  const std::size_t in_byte = 8 / bits;
  const unsigned byte = std::to_integer<unsigned>(data[i / in_byte]);
  return static_cast<std::uint8_t>(byte >> (i % in_byte * bits) & ((1U << bits) - 1));
}

/// The lowest `bits` as a signed integer.
std::int64_t sign_extended(std::int64_t value, int bits) {
  const std::int64_t range = std::int64_t{1} << bits;
  const std::int64_t low = value & (range - 1);
  return low >= range / 2 ? low - range : low;
}

double real_element(int type, std::span<const std::byte> data, std::size_t i) {
  if (onnx_is_small_float(type)) return small_float_value(type, code(type, data, i));
  switch (type) {
    case TensorProto::FLOAT:
      return element<float>(data, i);
    case TensorProto::FLOAT16:
      return to_float(element<F16>(data, i));
    case TensorProto::BFLOAT16:
      return to_float(element<BF16>(data, i));
    default:
      return element<double>(data, i);
  }
}

std::int64_t integer_element(int type, std::span<const std::byte> data, std::size_t i) {
  switch (type) {
    case TensorProto::BOOL:
      return element<std::uint8_t>(data, i) != 0 ? 1 : 0;
    case TensorProto::UINT2:
    case TensorProto::UINT4:
      return code(type, data, i);
    case TensorProto::INT2:
    case TensorProto::INT4:
      return sign_extended(code(type, data, i), onnx_element_bits(type));
    case TensorProto::INT8:
      return element<std::int8_t>(data, i);
    case TensorProto::UINT8:
      return element<std::uint8_t>(data, i);
    case TensorProto::INT16:
      return element<std::int16_t>(data, i);
    case TensorProto::UINT16:
      return element<std::uint16_t>(data, i);
    case TensorProto::INT32:
      return element<std::int32_t>(data, i);
    case TensorProto::UINT32:
      return element<std::uint32_t>(data, i);
    default:
      return element<std::int64_t>(data, i);
  }
}

template <class T>
void store(Bytes& bytes, std::size_t index, T value) {
  std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
}

template <class T>
std::string encoded_as(std::span<const float> values) {
  std::string raw(values.size() * sizeof(T), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = [&] {
      if constexpr (std::is_same_v<T, double>) {
        return static_cast<double>(values[i]);
      } else {
        return encode<T>(values[i]);
      }
    }();
    std::memcpy(raw.data() + i * sizeof(T), &value, sizeof(T));
  }
  return raw;
}

}  // namespace

bool has_host_elements(int type) { return onnx_is_float(type) || onnx_is_integer(type); }

HostTensor host_tensor(int type, const Shape& shape) {
  require(has_host_elements(type), ErrorKind::BadContent,
          "a constant of type " + onnx_type_name(type) + " is not supported");
  const std::int64_t elements = elements_of(shape);
  require(elements <= kMaxFolded, ErrorKind::BadContent,
          "a constant of shape " + to_string(shape) + " is too large");
  HostTensor tensor{type, shape, {}, {}};
  if (tensor.real()) {
    tensor.reals.resize(static_cast<std::size_t>(elements));
  } else {
    tensor.integers.resize(static_cast<std::size_t>(elements));
  }
  return tensor;
}

HostTensor host_vector(const std::vector<std::int64_t>& values) {
  return {TensorProto::INT64, {static_cast<std::int64_t>(values.size())}, values, {}};
}

HostTensor host_tensor(const Initializer& initializer) {
  HostTensor tensor = host_tensor(initializer.type, initializer.shape);
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    if (tensor.real()) {
      tensor.reals[i] = real_element(tensor.type, initializer.data, i);
    } else {
      tensor.integers[i] = integer_element(tensor.type, initializer.data, i);
    }
  }
  return tensor;
}

HostTensor host_tensor(const TensorProto& tensor) {
  require(has_host_elements(tensor.data_type()), ErrorKind::BadContent,
          "a constant of type " + onnx_type_name(tensor.data_type()) + " is not supported");
  const std::string raw = raw_elements(tensor);
  return host_tensor(Initializer{tensor.name(), tensor.data_type(), shape_of(tensor),
                                 std::as_bytes(std::span(raw))});
}

double rounded(int type, double value, bool saturate) {
  if (onnx_is_small_float(type)) return to_small_float(type, value, saturate);
  switch (type) {
    case TensorProto::FLOAT:
      return static_cast<float>(value);
    case TensorProto::FLOAT16:
      return to_float(encode<F16>(static_cast<float>(value)));
    case TensorProto::BFLOAT16:
      return to_float(encode<BF16>(static_cast<float>(value)));
    default:
      return value;
  }
}

std::int64_t wrapped(int type, std::int64_t value) {
  switch (type) {
    case TensorProto::BOOL:
      return value != 0 ? 1 : 0;
    case TensorProto::UINT2:
      return value & 3;
    case TensorProto::UINT4:
      return value & 15;
    case TensorProto::INT2:
    case TensorProto::INT4:
      return sign_extended(value, onnx_element_bits(type));
    case TensorProto::INT8:
      return static_cast<std::int8_t>(value);
    case TensorProto::UINT8:
      return static_cast<std::uint8_t>(value);
    case TensorProto::INT16:
      return static_cast<std::int16_t>(value);
    case TensorProto::UINT16:
      return static_cast<std::uint16_t>(value);
    case TensorProto::INT32:
      return static_cast<std::int32_t>(value);
    case TensorProto::UINT32:
      return static_cast<std::uint32_t>(value);
    default:
      return value;
  }
}

TensorType stored_type(int onnx_type, const Shape& shape) {
  if (onnx_is_float(onnx_type)) return {shape, {DType::F32, Layout::RowMajor}};
  return {shape, {onnx_type == TensorProto::BOOL ? DType::BOOL : DType::I64, Layout::RowMajor}};
}

Bytes stored_bytes(const HostTensor& tensor) {
  const TensorType type = stored_type(tensor.type, tensor.shape);
  Bytes bytes(static_cast<std::size_t>(type.bytes()));
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    switch (type.form.dtype) {
      case DType::F32:
        store(bytes, i, static_cast<float>(tensor.reals[i]));
        break;
      case DType::BOOL:
        store(bytes, i, static_cast<std::uint8_t>(tensor.integers[i]));
        break;
      default:
        store(bytes, i, tensor.integers[i]);
        break;
    }
  }
  return bytes;
}

Bytes stored_bytes(const Initializer& initializer) {
  if (initializer.type == TensorProto::FLOAT) {
    return {initializer.data.begin(), initializer.data.end()};
  }
  const TensorType type = stored_type(initializer.type, initializer.shape);
  if (type.form.dtype != DType::F32) return stored_bytes(host_tensor(initializer));
  Bytes bytes(static_cast<std::size_t>(type.bytes()));
  for (std::size_t i = 0; i < bytes.size() / sizeof(float); ++i) {
    store(bytes, i, static_cast<float>(real_element(initializer.type, initializer.data, i)));
  }
  return bytes;
}

std::string encoded(int onnx_type, std::span<const float> values) {
  switch (onnx_type) {
    case TensorProto::FLOAT:
      return encoded_as<float>(values);
    case TensorProto::FLOAT16:
      return encoded_as<F16>(values);
    case TensorProto::BFLOAT16:
      return encoded_as<BF16>(values);
    case TensorProto::DOUBLE:
      return encoded_as<double>(values);
    default:
      break;
  }
  throw Error(ErrorKind::Internal, "values written back as " + onnx_type_name(onnx_type));
}

}  // namespace mpsearch
