// Backend: a device and what it can compute. The only interface with virtual functions. Used by
// executable, profiles and trainer; concrete backends are named in backends.cpp alone.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "models/stored/identity.h"

namespace mpsearch {

class Backend {
 public:
  virtual ~Backend() = default;

  /// What figures and cached profiles depend on; the instruction-set level is among the libraries.
  virtual DeviceIdentity identity() const = 0;

  /// Every way to compute the call here, best guess first; empty where unsupported. Pure.
  virtual std::vector<KernelChoice> candidates(const KernelCall& call) const = 0;

  /// Binds a call to addresses. Throws Unavailable where the choice is none of the candidates.
  virtual BoundKernel bind(const KernelCall& call, const KernelChoice& choice,
                           const KernelViews& views) const = 0;

  /// Device memory, aligned to 4096 bytes, every byte 0xFF; throws OutOfMemory with need and limit.
  virtual std::shared_ptr<std::byte> allocate(std::int64_t bytes) const = 0;

  virtual void copy_to_device(std::byte* device, const void* host, std::int64_t bytes) const = 0;
  virtual void copy_to_host(void* host, const std::byte* device, std::int64_t bytes) const = 0;

  /// Runs kernels in order; returns when they are issued. wait() returns when they are done.
  virtual void run(std::span<const BoundKernel> steps) const = 0;
  virtual void wait() const = 0;

  /// As run() and wait(), with a timestamp around each: milliseconds per step.
  virtual std::vector<double> run_timed(std::span<const BoundKernel> steps) const = 0;
};

/// The backend of `--device NAME` with `threads` threads (0: one per core). Throws Unavailable.
std::unique_ptr<Backend> make_backend(const std::string& device, int threads);

}  // namespace mpsearch
