// Conversions between storages of floats: serial pieces, picked by dtype, which Cast and the
// kernels built on oneDNN run in parallel.
#pragma once

#include "kernels/cpu/level.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// Null unless both are F32, BF16, F16, F8E4M3 or F8E5M2. `to` must not overlap `from`.
Convert convert_of(DType from, DType to);
ConvertTransposed convert_transposed_of(DType from, DType to);

/// As convert_transposed_of for one dtype, but copies the bits: factor is ignored. By element size,
/// 1, 2, 4 or 8 bytes.
ConvertTransposed copy_transposed_of(int element_bytes);

Finish finish_of(DType to);
void accumulate(const float* from, float* to, std::int64_t count);

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
