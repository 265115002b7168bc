// DType: how one element is stored. Sizes and names; the number formats themselves lie beside it.
#pragma once

#include <cstdint>
#include <string_view>

namespace mpsearch {

/// BIT packs eight elements a byte (masks). BOOL, I8 and F64 occur in folding and references only.
enum class DType : std::uint8_t {
  F32,
  BF16,
  F16,
  F8E4M3,
  F8E5M2,
  I32,
  I64,
  U8,
  BIT,
  BOOL,
  I8,
  F64
};

/// Storage of one element in bits.
constexpr int bits_of(DType dtype) {
  switch (dtype) {
    case DType::BIT:
      return 1;
    case DType::F8E4M3:
    case DType::F8E5M2:
    case DType::U8:
    case DType::BOOL:
    case DType::I8:
      return 8;
    case DType::BF16:
    case DType::F16:
      return 16;
    case DType::F32:
    case DType::I32:
      return 32;
    case DType::I64:
    case DType::F64:
      return 64;
  }
  return 0;
}

/// Bytes of `elements` elements, rounded up to whole bytes.
constexpr std::int64_t bytes_of(DType dtype, std::int64_t elements) {
  return (elements * bits_of(dtype) + 7) / 8;
}

constexpr bool is_fp8(DType dtype) { return dtype == DType::F8E4M3 || dtype == DType::F8E5M2; }

constexpr bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16 || is_fp8(dtype) ||
         dtype == DType::F64;
}

constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return "F32";
    case DType::BF16:
      return "BF16";
    case DType::F16:
      return "F16";
    case DType::F8E4M3:
      return "F8E4M3";
    case DType::F8E5M2:
      return "F8E5M2";
    case DType::I32:
      return "I32";
    case DType::I64:
      return "I64";
    case DType::U8:
      return "U8";
    case DType::BIT:
      return "BIT";
    case DType::BOOL:
      return "BOOL";
    case DType::I8:
      return "I8";
    case DType::F64:
      return "F64";
  }
  return "?";
}

}  // namespace mpsearch
