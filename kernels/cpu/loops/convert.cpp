#include "kernels/cpu/loops/convert.h"

#include <algorithm>

#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

template <class From, class To>
void convert(const std::byte* from, std::byte* to, std::int64_t count, float factor) {
  const From* __restrict source = reinterpret_cast<const From*>(from);
  To* __restrict target = reinterpret_cast<To*>(to);
  for (std::int64_t i = 0; i < count; ++i) target[i] = encode<To>(factor * decode(source[i]));
}

constexpr std::int64_t kTile = 32;

/// Transposes through a tile in the first-level cache: whole rows in, whole rows out.
template <class From, class Middle, class To, class Read, class Write>
void transpose(const std::byte* from, std::byte* to, std::int64_t rows, std::int64_t columns,
               std::int64_t from_stride, std::int64_t to_stride, const Read& read,
               const Write& write) {
  const From* source = reinterpret_cast<const From*>(from);
  To* target = reinterpret_cast<To*>(to);
  Middle tile[kTile * kTile];
  for (std::int64_t row = 0; row < rows; row += kTile) {
    const std::int64_t height = std::min(kTile, rows - row);
    for (std::int64_t column = 0; column < columns; column += kTile) {
      const std::int64_t width = std::min(kTile, columns - column);
      for (std::int64_t r = 0; r < height; ++r) {
        const From* in = source + (row + r) * from_stride + column;
        for (std::int64_t c = 0; c < width; ++c) tile[c * kTile + r] = read(in[c]);
      }
      for (std::int64_t c = 0; c < width; ++c) {
        To* out = target + (column + c) * to_stride + row;
        for (std::int64_t r = 0; r < height; ++r) out[r] = write(tile[c * kTile + r]);
      }
    }
  }
}

template <class From, class To>
void convert_transposed(const std::byte* from, std::byte* to, std::int64_t rows,
                        std::int64_t columns, std::int64_t from_stride, std::int64_t to_stride,
                        float factor) {
  transpose<From, float, To>(
      from, to, rows, columns, from_stride, to_stride,
      [&](From value) { return factor * decode(value); },
      [](float value) { return encode<To>(value); });
}

template <class T>
void copy_transposed(const std::byte* from, std::byte* to, std::int64_t rows, std::int64_t columns,
                     std::int64_t from_stride, std::int64_t to_stride, float) {
  const auto same = [](T value) { return value; };
  transpose<T, T, T>(from, to, rows, columns, from_stride, to_stride, same, same);
}

template <class To>
void finish(const Epilogue& epilogue, const float* sum, std::byte* to, std::int64_t first_row,
            std::int64_t rows) {
  const std::int64_t columns = epilogue.columns;
  const float alpha = epilogue.alpha, beta = epilogue.beta;
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* in = sum + r * columns;
    To* out = reinterpret_cast<To*>(to) + r * columns;
    if (epilogue.bias == nullptr) {
      for (std::int64_t c = 0; c < columns; ++c) out[c] = encode<To>(alpha * in[c]);
      continue;
    }
    const std::int64_t row = epilogue.bias_rows != nullptr ? epilogue.bias_rows[first_row + r] : 0;
    const float* bias = epilogue.bias + row;
    if (epilogue.bias_column_stride == 0) {
      const float term = beta * bias[0];
      for (std::int64_t c = 0; c < columns; ++c) out[c] = encode<To>(alpha * in[c] + term);
    } else {
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = encode<To>(alpha * in[c] + beta * bias[c]);
      }
    }
  }
}

}  // namespace

Convert convert_of(DType from, DType to) {
  return with_storage(from, [&]<class From>(From) {
    return with_storage(to, []<class To>(To) -> Convert { return convert<From, To>; });
  });
}

ConvertTransposed convert_transposed_of(DType from, DType to) {
  return with_storage(from, [&]<class From>(From) {
    return with_storage(
        to, []<class To>(To) -> ConvertTransposed { return convert_transposed<From, To>; });
  });
}

ConvertTransposed copy_transposed_of(int element_bytes) {
  switch (element_bytes) {
    case 1:
      return copy_transposed<std::uint8_t>;
    case 2:
      return copy_transposed<std::uint16_t>;
    case 4:
      return copy_transposed<std::uint32_t>;
    case 8:
      return copy_transposed<std::uint64_t>;
    default:
      return nullptr;
  }
}

Finish finish_of(DType to) {
  return with_storage(to, []<class To>(To) -> Finish { return finish<To>; });
}

void accumulate(const float* from, float* to, std::int64_t count) {
  const float* __restrict source = from;
  float* __restrict target = to;
  for (std::int64_t i = 0; i < count; ++i) target[i] += source[i];
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
