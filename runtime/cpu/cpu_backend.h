// The CPU as a backend: oneTBB and oneDNN on one set of threads. Named by runtime/backends.cpp
// alone.
#pragma once

#include <memory>

#include "runtime/backend.h"

namespace mpsearch {

/// `threads` 0: one for each core that the process may use. Throws Unavailable on a CPU that is
/// too old.
std::unique_ptr<Backend> make_cpu_backend(int threads);

}  // namespace mpsearch
