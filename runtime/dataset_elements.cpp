#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/error.h"
#include "runtime/dataset_readers.h"

namespace mpsearch {
namespace {

static_assert(std::endian::native == std::endian::little);

/// Bits of one element in the machine's order, zero-extended.
std::uint64_t bits_at(const std::byte* data, ElementFormat format) {
  std::byte bytes[8] = {};
  std::memcpy(bytes, data, format.size);
  if (format.big_endian) std::reverse(bytes, bytes + format.size);
  return std::bit_cast<std::uint64_t>(bytes);
}

float half_to_float(std::uint64_t bits) {
  const int exponent = static_cast<int>(bits >> 10) & 31;
  const auto mantissa = static_cast<float>(bits & 1023);
  float value =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024.0F, exponent - 25);
  if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<float>::infinity()
                          : std::numeric_limits<float>::quiet_NaN();
  }
  return (bits >> 15) != 0 ? -value : value;
}

float float_of(const std::byte* data, ElementFormat format) {
  const std::uint64_t bits = bits_at(data, format);
  if (format.size == 2) return half_to_float(bits);
  if (format.size == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  return static_cast<float>(std::bit_cast<double>(bits));
}

std::int64_t integer_of(const std::byte* data, ElementFormat format, const std::string& origin) {
  const std::uint64_t bits = bits_at(data, format);
  if (format.kind == 'i') {
    const int unused = 64 - static_cast<int>(format.size) * 8;
    return static_cast<std::int64_t>(bits << unused) >> unused;
  }
  if (bits >> 63 != 0) {
    refuse_data(fmt::format("value {} does not fit 64 bits with sign", bits), origin, {});
  }
  return static_cast<std::int64_t>(bits);
}

DType stored_dtype(ElementFormat format) {
  if (format.kind == 'f') return DType::F32;
  if (format.kind == 'u' && format.size == 1) return DType::U8;
  const std::size_t signed_size = format.kind == 'u' ? format.size * 2 : format.size;
  return signed_size <= 4 ? DType::I32 : DType::I64;
}

bool is_stored_so(ElementFormat format) {
  if (format.big_endian && format.size > 1) return false;
  const bool plain = format.kind == 'i' || format.kind == 'f';
  return (format.kind == 'u' && format.size == 1) || (plain && format.size == 4) ||
         (format.kind == 'i' && format.size == 8);
}

/// Row-major order of the elements of a column-major array, one at a time.
class ColumnMajorWalk {
 public:
  explicit ColumnMajorWalk(const Shape& shape) : shape_(shape), index_(shape.size(), 0) {
    std::int64_t step = 1;
    for (const std::int64_t dim : shape) {
      strides_.push_back(step);
      step *= dim;
    }
  }
  std::size_t next() {
    const std::int64_t here = position_;
    for (std::size_t dim = shape_.size(); dim-- > 0;) {
      position_ += strides_[dim];
      if (++index_[dim] < shape_[dim]) break;
      position_ -= strides_[dim] * shape_[dim];
      index_[dim] = 0;
    }
    return static_cast<std::size_t>(here);
  }

 private:
  Shape shape_, index_, strides_;
  std::int64_t position_ = 0;
};

}  // namespace

void refuse_data(const std::string& what, const std::string& origin, const std::string& why,
                 const std::string& try_) {
  throw Error(ErrorKind::BadContent, {.what = what, .at = origin, .why = why, .try_ = try_});
}

std::size_t array_bytes(const std::string& origin, ElementFormat format, const Shape& shape) {
  std::int64_t bytes = static_cast<std::int64_t>(format.size);
  for (const std::int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(bytes, dim, &bytes) || bytes > (1LL << 56)) {
      refuse_data("the array's shape is negative or too large", origin,
                  "its header says " + to_string(shape));
    }
  }
  return static_cast<std::size_t>(bytes);
}

DataArray array_of(std::string origin, FileBytes bytes, std::size_t offset, ElementFormat format,
                   const Shape& shape, bool column_major) {
  const std::size_t claimed = array_bytes(origin, format, shape);
  const std::size_t held = bytes.size() - offset;
  if (shape.empty()) refuse_data("the array holds one number, not samples", origin, {});
  if (claimed != held) {
    refuse_data(
        claimed > held ? "the file is truncated" : "the file is longer than it says", origin,
        fmt::format("its header says {} of {} bytes each: {} bytes; it holds {}", to_string(shape),
                    format.size, claimed, claimed > held ? std::to_string(held) : "more"),
        "fetch or write the file again");
  }
  const Shape sample_shape(shape.begin() + 1, shape.end());
  const DType dtype = stored_dtype(format);
  const auto make = [&](FileBytes data, std::size_t at, std::size_t size) {
    const auto samples = static_cast<std::size_t>(std::max<std::int64_t>(1, shape[0]));
    return DataArray(std::move(origin), dtype, shape[0], sample_shape,
                     StoredValues{std::move(data), at, size / samples});
  };
  if (is_stored_so(format) && !column_major) return make(std::move(bytes), offset, claimed);
  const std::size_t count = claimed / format.size;
  const auto size = static_cast<std::size_t>(bits_of(dtype) / 8);
  std::vector<std::byte> converted(count * size);
  ColumnMajorWalk walk(shape);
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* from =
        bytes.view().data() + offset + (column_major ? walk.next() : i) * format.size;
    if (dtype == DType::F32) {
      const float value = float_of(from, format);
      std::memcpy(&converted[i * size], &value, size);
    } else {  // the lower bytes of a little-endian integer
      const std::int64_t value = integer_of(from, format, origin);
      std::memcpy(&converted[i * size], &value, size);
    }
  }
  return make(FileBytes::own(std::move(converted)), 0, count * size);
}

}  // namespace mpsearch
