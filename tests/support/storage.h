// Numbers to the bytes of a tensor and back: any dtype, any layout. Used by tests that run kernels.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/support/reference.h"

namespace mpsearch::reference {

/// The bytes of a tensor of this type that holds `numbers` / `scale`, rounded once from F32. Bits
/// beyond the last element are 0.
std::vector<std::byte> stored(const Numbers& numbers, const TensorType& type, double scale = 1);

/// The numbers that the bytes hold, times `scale`, in row-major order.
Numbers loaded(const std::byte* bytes, const TensorType& type, double scale = 1);

}  // namespace mpsearch::reference
