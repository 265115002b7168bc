// Page-aligned memory for the arena, checked against what the machine can give. Used by the CPU
// backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace mpsearch {

/// Bytes that a process may still take: free memory of the machine, within its control group's and
/// its own limits.
std::int64_t available_memory();

/// `bytes` bytes of 0xFF, aligned to 4096, all resident. Throws OutOfMemory.
std::shared_ptr<std::byte> allocate_pages(std::int64_t bytes);

}  // namespace mpsearch
