// Packing: offsets in one arena for blocks that live for some steps each (dynamic storage
// allocation). Pure numbers; used by the memory plan.
#pragma once

#include <cstdint>
#include <vector>

namespace mpsearch {

inline constexpr std::int64_t kArenaAlignment = 256;

/// Bytes rounded up to the arena's alignment; 0 stays 0.
constexpr std::int64_t aligned(std::int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

/// A block's place: [offset, offset + bytes) during steps first..last of the graph's nodes.
struct Placement {
  std::int64_t offset = -1;  // -1: no storage of its own (a view, or never used)
  std::int64_t bytes = 0;    // aligned
  int first = 0;
  int last = -1;
};

/// Sets every block's offset, at least `floor`, so that no two overlap that live at the same step;
/// returns the arena's end. Searches until that is `bound`, the greatest sum of live bytes, or a
/// fixed effort is spent. Deterministic.
std::int64_t pack(const std::vector<Placement*>& blocks, std::int64_t floor, std::int64_t bound);

}  // namespace mpsearch
