#include "search/solver/item.h"

#include <bit>

namespace mpsearch::solver {

std::uint64_t ItemPool::hash(const Item& item) {
  std::uint64_t h = 0x9e3779b97f4a7c15ULL;
  const auto mix = [&](std::uint64_t value) {
    h = (h ^ value) * 0xbf58476d1ce4e5b9ULL;
    h ^= h >> 29;
  };
  mix(std::bit_cast<std::uint64_t>(item.ms + 0.0));
  mix(std::bit_cast<std::uint64_t>(item.sensitivity + 0.0));
  for (const UsageStep& step : item.steps) {
    mix(static_cast<std::uint64_t>(step.event));
    mix(static_cast<std::uint64_t>(step.bytes));
  }
  return h;
}

}  // namespace mpsearch::solver
