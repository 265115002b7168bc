#include "runtime/cpu/memory.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include <sys/mman.h>
#include <sys/resource.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The number in a one-line file such as those of control groups; empty for "max" or no file.
std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::int64_t free_memory() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    std::int64_t kibibytes = 0;
    if (word == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
  }
  return kUnlimited;
}

/// What a control group leaves; its page cache counts as used but would be given up.
std::int64_t left_in(const std::string& limit, const std::string& usage, const std::string& stat,
                     const std::string& cache) {
  const std::optional<std::int64_t> most = number_in(limit), used = number_in(usage);
  if (!most || !used) return kUnlimited;
  std::int64_t reclaimable = 0;
  std::ifstream file(stat);
  std::string name;
  std::int64_t value = 0;
  while (file >> name >> value) {
    if (name == cache) reclaimable = value;
  }
  return std::max<std::int64_t>(0, *most - *used + reclaimable);
}

std::int64_t left_in_address_space() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kUnlimited;
  const std::optional<std::int64_t> pages = number_in("/proc/self/statm");
  return static_cast<std::int64_t>(limit.rlim_cur) - pages.value_or(0) * 4096;
}

[[noreturn]] void out_of_memory(std::int64_t bytes, std::int64_t limit) {
  throw Error(ErrorKind::OutOfMemory,
              {.what = "not enough memory for the training step",
               .at = {},
               .why = "it needs " + std::to_string(bytes) + " bytes, " + std::to_string(limit) +
                      " are available",
               .try_ = "a smaller --batch, or a --budget below what is available"});
}

}  // namespace

std::int64_t available_memory() {
  return std::min({free_memory(),
                   left_in("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current",
                           "/sys/fs/cgroup/memory.stat", "inactive_file"),
                   left_in("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                           "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                           "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file"),
                   left_in_address_space()});
}

std::shared_ptr<std::byte> allocate_pages(std::int64_t bytes) {
  require(bytes >= 0, ErrorKind::Internal, "negative size of an allocation");
  const std::int64_t limit = available_memory();
  if (bytes > limit) out_of_memory(bytes, limit);
  const std::size_t length = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
  void* pages = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) out_of_memory(bytes, limit);
  std::shared_ptr<std::byte> memory(static_cast<std::byte*>(pages),
                                    [length](std::byte* start) { munmap(start, length); });
  madvise(pages, length, MADV_HUGEPAGE);
  std::memset(pages, 0xFF, length);
  return memory;
}

}  // namespace mpsearch
