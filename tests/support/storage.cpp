#include "tests/support/storage.h"

#include <cstring>

#include "kernels/number/convert.h"
#include "tests/support/index.h"

namespace mpsearch::reference {
namespace {

/// Calls f with a value of the C++ type that stores one element (BIT apart).
template <class F>
void with_storage(DType dtype, F f) {
  switch (dtype) {
    case DType::F32:
      return f(float{});
    case DType::BF16:
      return f(BF16{});
    case DType::F16:
      return f(F16{});
    case DType::F8E4M3:
      return f(F8E4M3{});
    case DType::F8E5M2:
      return f(F8E5M2{});
    case DType::I32:
      return f(std::int32_t{});
    case DType::I64:
      return f(std::int64_t{});
    case DType::F64:
      return f(double{});
    case DType::I8:
      return f(std::int8_t{});
    case DType::U8:
    case DType::BOOL:
      return f(std::uint8_t{});
    case DType::BIT:
      return;
  }
}

template <class T>
T encoded(double value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<T>(value);
  } else {
    return mpsearch::encode<T>(static_cast<float>(value));
  }
}

template <class T>
double decoded(T value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<double>(value);
  } else {
    return static_cast<double>(mpsearch::decode(value));
  }
}

/// Calls f(row-major position, position in memory) for every element.
template <class F>
void for_each_place(const TensorType& type, F f) {
  const Shape strides = strides_of(type);
  std::size_t row_major = 0;
  for_each_index(type.shape, [&](const Shape& index) {
    std::int64_t place = 0;
    for (std::size_t d = 0; d < index.size(); ++d) place += index[d] * strides[d];
    f(row_major++, static_cast<std::size_t>(place));
  });
}

}  // namespace

std::vector<std::byte> stored(const Numbers& numbers, const TensorType& type, double scale) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(type.bytes()));
  if (type.form.dtype == DType::BIT) {
    for_each_place(type, [&](std::size_t from, std::size_t to) {
      if (numbers[from] != 0) bytes[to / 8] |= static_cast<std::byte>(1u << (to % 8));
    });
  }
  with_storage(type.form.dtype, [&]<class T>(T) {
    for_each_place(type, [&](std::size_t from, std::size_t to) {
      const T value = encoded<T>(numbers[from] / scale);
      std::memcpy(bytes.data() + to * sizeof(T), &value, sizeof(T));
    });
  });
  return bytes;
}

Numbers loaded(const std::byte* bytes, const TensorType& type, double scale) {
  Numbers numbers(static_cast<std::size_t>(type.elements()));
  if (type.form.dtype == DType::BIT) {
    for_each_place(type, [&](std::size_t to, std::size_t from) {
      numbers[to] =
          static_cast<double>((static_cast<unsigned>(bytes[from / 8]) >> (from % 8)) & 1u);
    });
  }
  with_storage(type.form.dtype, [&]<class T>(T) {
    for_each_place(type, [&](std::size_t to, std::size_t from) {
      T value;
      std::memcpy(&value, bytes + from * sizeof(T), sizeof(T));
      numbers[to] = decoded(value) * scale;
    });
  });
  return numbers;
}

}  // namespace mpsearch::reference
