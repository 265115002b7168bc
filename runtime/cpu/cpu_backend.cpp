#include "runtime/cpu/cpu_backend.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <cpuid.h>
#include <omp.h>
#include <tbb/global_control.h>
#include <tbb/info.h>
#include <tbb/task_arena.h>

#include "kernels/cpu/table.h"
#include "kernels/error.h"
#include "runtime/cpu/memory.h"

namespace mpsearch {
namespace {

std::string processor_brand() {
  unsigned int words[12] = {};
  if (__get_cpuid_max(0x80000000u, nullptr) < 0x80000004u) return "x86-64 processor";
  for (unsigned int leaf = 0; leaf < 3; ++leaf) {
    unsigned int* at = words + 4 * leaf;
    __get_cpuid(0x80000002u + leaf, at, at + 1, at + 2, at + 3);
  }
  char text[sizeof words + 1] = {};
  std::memcpy(text, words, sizeof words);
  const std::string brand(text);
  const std::size_t first = brand.find_first_not_of(' '), last = brand.find_last_not_of(' ');
  return first == std::string::npos ? "x86-64 processor" : brand.substr(first, last - first + 1);
}

/// oneDNN takes its number of threads from the calling thread's OpenMP setting, both when it plans
/// a primitive and when it runs one.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~OpenMpThreads() { omp_set_num_threads(before_); }
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;

 private:
  int before_;
};

bool offers(const KernelEntry& entry, const KernelCall& call, const KernelChoice& choice) {
  const std::vector<KernelChoice> choices = entry.candidates(call);
  return std::ranges::find(choices, choice) != choices.end();
}

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads)
      : threads_(threads),
        table_(cpu::kernel_table()),
        workers_(tbb::global_control::max_allowed_parallelism,
                 static_cast<std::size_t>(std::max(threads, tbb::info::default_concurrency()))),
        arena_(threads) {}

  DeviceIdentity identity() const override {
    DeviceIdentity identity;
    identity.name = processor_brand();
    identity.backend = "cpu";
    identity.threads = threads_;
    identity.libraries = {std::string(cpu::level_name()), cpu::library_versions()};
    return identity;
  }

  std::vector<KernelChoice> candidates(const KernelCall& call) const override {
    const KernelEntry* entry = find_kernel(table_, call.op);
    if (entry == nullptr) return {};
    const OpenMpThreads scope(threads_);
    return entry->candidates(call);
  }

  BoundKernel bind(const KernelCall& call, const KernelChoice& choice,
                   const KernelViews& views) const override {
    const KernelEntry* entry = find_kernel(table_, call.op);
    const OpenMpThreads scope(threads_);
    if (entry == nullptr || !offers(*entry, call, choice)) {
      throw Error(ErrorKind::Unavailable, {.what = "no such kernel on this device",
                                           .at = key_of(call),
                                           .why = "algorithm " + choice.algorithm + " with " +
                                                  std::to_string(choice.workspace_bytes) +
                                                  " bytes of workspace is none of its candidates",
                                           .try_ = "plan again on this device"});
    }
    return entry->bind(call, choice, views);
  }

  std::shared_ptr<std::byte> allocate(std::int64_t bytes) const override {
    return allocate_pages(bytes);
  }

  void copy_to_device(std::byte* device, const void* host, std::int64_t bytes) const override {
    if (bytes > 0) std::memcpy(device, host, static_cast<std::size_t>(bytes));
  }

  void copy_to_host(void* host, const std::byte* device, std::int64_t bytes) const override {
    if (bytes > 0) std::memcpy(host, device, static_cast<std::size_t>(bytes));
  }

  void run(std::span<const BoundKernel> steps) const override {
    arena_.execute([&] {
      const OpenMpThreads scope(threads_);
      for (const BoundKernel& step : steps) step.run(step.arguments.get());
    });
  }

  void wait() const override {}  // run() returns when the work is done

  std::vector<double> run_timed(std::span<const BoundKernel> steps) const override {
    using Clock = std::chrono::steady_clock;
    std::vector<double> milliseconds(steps.size());
    arena_.execute([&] {
      const OpenMpThreads scope(threads_);
      Clock::time_point before = Clock::now();
      for (std::size_t i = 0; i < steps.size(); ++i) {
        steps[i].run(steps[i].arguments.get());
        const Clock::time_point after = Clock::now();
        milliseconds[i] = std::chrono::duration<double, std::milli>(after - before).count();
        before = after;
      }
    });
    return milliseconds;
  }

 private:
  int threads_;
  KernelTable table_;
  tbb::global_control workers_;
  mutable tbb::task_arena arena_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  return std::make_unique<CpuBackend>(threads > 0 ? threads : tbb::info::default_concurrency());
}

}  // namespace mpsearch
