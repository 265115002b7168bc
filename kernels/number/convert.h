// decode and encode: the storage types under one pair of names, so that a kernel is one template on
// its storage types with FP32 inside.
#pragma once

#include "kernels/number/bf16.h"
#include "kernels/number/dtype.h"
#include "kernels/number/fp16.h"
#include "kernels/number/fp8.h"

namespace mpsearch {

/// T is float, BF16, F16, F8E4M3 or F8E5M2. Exact.
template <class T>
MPSEARCH_HD constexpr float decode(T value) {
  return to_float(value);
}

template <>
MPSEARCH_HD constexpr float decode(float value) {
  return value;
}

/// 0 to 255, for small integers that travel with values (the indices of a pooling window).
template <>
MPSEARCH_HD constexpr float decode(std::uint8_t value) {
  return static_cast<float>(value);
}

/// T is float, BF16, F16, F8E4M3 or F8E5M2. To nearest even; FP8 saturates.
template <class T>
MPSEARCH_HD constexpr T encode(float value) = delete;

template <>
MPSEARCH_HD constexpr float encode<float>(float value) {
  return value;
}

template <>
MPSEARCH_HD constexpr BF16 encode<BF16>(float value) {
  return to_bf16(value);
}

template <>
MPSEARCH_HD constexpr F16 encode<F16>(float value) {
  return to_f16(value);
}

template <>
MPSEARCH_HD constexpr F8E4M3 encode<F8E4M3>(float value) {
  return to_f8e4m3(value);
}

template <>
MPSEARCH_HD constexpr F8E5M2 encode<F8E5M2>(float value) {
  return to_f8e5m2(value);
}

/// `value` is an integer in [0, 255].
template <>
MPSEARCH_HD constexpr std::uint8_t encode<std::uint8_t>(float value) {
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(value));
}

/// The DType of a storage type.
template <class T>
inline constexpr DType kDType = DType::F32;
template <>
inline constexpr DType kDType<BF16> = DType::BF16;
template <>
inline constexpr DType kDType<F16> = DType::F16;
template <>
inline constexpr DType kDType<F8E4M3> = DType::F8E4M3;
template <>
inline constexpr DType kDType<F8E5M2> = DType::F8E5M2;
template <>
inline constexpr DType kDType<std::uint8_t> = DType::U8;

}  // namespace mpsearch
