// The Group of this instruction-set level: kernels/math's row algorithms run on it in every driver.
#pragma once

#include "kernels/math/lanes.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// Keeps the code of different levels apart.
struct LevelTag {};
using Group = Lanes<32, 1, LevelTag>;

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
