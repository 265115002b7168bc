// How much memory the process holds, beside what its arena was planned to hold. Used by verify.
#pragma once

#include <cstdint>

namespace mpsearch {

/// Bytes of the process that lie in physical memory now (Linux: /proc/self/statm); 0 where the
/// system does not say.
std::int64_t resident_bytes();

}  // namespace mpsearch
