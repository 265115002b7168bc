// A backend that computes nothing: every call has one kernel with a workspace that depends on the
// call. For tests of lowering, memory plans and problems.
#pragma once

#include "runtime/backend.h"

namespace mpsearch {

class NullBackend final : public Backend {
 public:
  DeviceIdentity identity() const override;
  std::vector<KernelChoice> candidates(const KernelCall& call) const override;
  BoundKernel bind(const KernelCall& call, const KernelChoice& choice,
                   const KernelViews& views) const override;
  std::shared_ptr<std::byte> allocate(std::int64_t bytes) const override;
  void copy_to_device(std::byte* device, const void* host, std::int64_t bytes) const override;
  void copy_to_host(void* host, const std::byte* device, std::int64_t bytes) const override;
  void run(std::span<const BoundKernel> steps) const override;
  void wait() const override;
  std::vector<double> run_timed(std::span<const BoundKernel> steps) const override;
};

}  // namespace mpsearch
