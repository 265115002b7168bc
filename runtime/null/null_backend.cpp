#include "runtime/null/null_backend.h"

#include <cstring>

namespace mpsearch {

DeviceIdentity NullBackend::identity() const {
  DeviceIdentity identity;
  identity.name = "nothing";
  identity.backend = "null";
  identity.threads = 1;
  return identity;
}

std::vector<KernelChoice> NullBackend::candidates(const KernelCall& call) const {
  // Matrix products of different formats get different workspaces; casts have none.
  const bool works = call.op != "Cast" && call.op != "Quantize";
  return {{"null", works ? static_cast<std::int64_t>(key_of(call).size()) * 37 : 0, true}};
}

BoundKernel NullBackend::bind(const KernelCall&, const KernelChoice&, const KernelViews&) const {
  return {[](const void*) {}, nullptr};
}

std::shared_ptr<std::byte> NullBackend::allocate(std::int64_t bytes) const {
  auto memory = std::shared_ptr<std::byte[]>(new std::byte[static_cast<std::size_t>(bytes)]);
  std::memset(memory.get(), 0xFF, static_cast<std::size_t>(bytes));
  return {memory, memory.get()};
}

void NullBackend::copy_to_device(std::byte* device, const void* host, std::int64_t bytes) const {
  if (bytes > 0) std::memcpy(device, host, static_cast<std::size_t>(bytes));
}

void NullBackend::copy_to_host(void* host, const std::byte* device, std::int64_t bytes) const {
  if (bytes > 0) std::memcpy(host, device, static_cast<std::size_t>(bytes));
}

void NullBackend::run(std::span<const BoundKernel>) const {}

void NullBackend::wait() const {}

std::vector<double> NullBackend::run_timed(std::span<const BoundKernel> steps) const {
  return std::vector<double>(steps.size(), 1.0);
}

}  // namespace mpsearch
