// Element-wise kernels on integers and truth values, computed in 64 bits under numpy's
// broadcasting. Used by logic.cpp.
#pragma once

#include <cstdint>

#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// out[i] = f(in[0][i], in[1][i], in[2][i]) of `count` elements; as many inputs as the call has.
using IntegerCompute = void (*)(const std::int64_t* const* in, std::int64_t* out,
                                std::int64_t count);

/// Whether integer_map can read (write) tensors of this dtype.
constexpr bool reads_integers(DType dtype) {
  return dtype == DType::I64 || dtype == DType::I32 || dtype == DType::U8 || dtype == DType::I8 ||
         dtype == DType::BOOL;
}
constexpr bool writes_integers(DType dtype) { return dtype == DType::I64 || dtype == DType::BOOL; }

/// Inputs broadcast to the output, which is I64 or BOOL (any number but 0 is true).
BoundKernel integer_map(IntegerCompute compute, const KernelViews& views);

/// `count` elements with the given distance between them, as 64-bit integers.
void read_integers(DType dtype, const std::byte* from, std::int64_t stride, std::int64_t* to,
                   std::int64_t count);
void write_integers(DType dtype, const std::int64_t* from, std::byte* to, std::int64_t count);

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
