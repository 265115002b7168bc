// What one instruction-set level offers: its kernels, and the conversions that the kernels built on
// oneDNN need. Each level is compiled apart (CMakeLists.txt); table.cpp picks the CPU's best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/kernel.h"

namespace mpsearch::cpu {

/// Serial conversion of `count` contiguous elements: to[i] = encode(factor * decode(from[i])).
using Convert = void (*)(const std::byte* from, std::byte* to, std::int64_t count, float factor);

/// Serial conversion of a matrix [rows, columns] into its transpose; element (r, c) is read at
/// r * from_stride + c and written at c * to_stride + r.
using ConvertTransposed = void (*)(const std::byte* from, std::byte* to, std::int64_t rows,
                                   std::int64_t columns, std::int64_t from_stride,
                                   std::int64_t to_stride, float factor);

/// y[r, c] = encode(alpha * sum[r, c] + beta * bias[b(r) + c * bias_column_stride]) for a matrix of
/// contiguous rows; b(r) = bias_rows[r], or 0 where that is null. A null bias is left out. `to` may
/// be `sum` where both are F32.
struct Epilogue {
  std::int64_t columns = 0;
  float alpha = 1;
  float beta = 1;
  const float* bias = nullptr;
  const std::int64_t* bias_rows = nullptr;
  std::int64_t bias_column_stride = 0;
};
using Finish = void (*)(const Epilogue& epilogue, const float* sum, std::byte* to,
                        std::int64_t first_row, std::int64_t rows);

struct Level {
  std::string_view name;  // "x86-64-v4"
  KernelTable kernels;
  Convert (*convert)(DType from, DType to);  // null for dtypes that are no storage of floats
  ConvertTransposed (*convert_transposed)(DType from, DType to);
  Finish (*finish)(DType to);
  /// to[i] += from[i], serial.
  void (*accumulate)(const float* from, float* to, std::int64_t count);
};

struct CompiledLevel {
  bool (*supported)();
  const Level& (*level)();  // runs the level's own instructions
};

/// Highest first.
std::span<const CompiledLevel> compiled_levels();

/// The highest level of `levels` that the running CPU supports. Throws Unavailable.
const Level& best_of(std::span<const CompiledLevel> levels);

/// The best level for the running CPU, found once. Throws Unavailable on a CPU without AVX2, FMA
/// and F16C.
const Level& best_level();

}  // namespace mpsearch::cpu
