#include "runtime/packing.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "runtime/stacking.h"

namespace mpsearch {
namespace {

/// Orders blocks by a key, larger blocks first where it ties.
using Key = double (*)(const Placement&);
constexpr Key kKeys[] = {
    [](const Placement& b) { return -static_cast<double>(b.bytes); },
    [](const Placement& b) { return -static_cast<double>(b.bytes) * (b.last - b.first + 1); },
    [](const Placement& b) { return -static_cast<double>(b.last - b.first); },
    [](const Placement& b) { return static_cast<double>(b.first); },
    [](const Placement& b) { return -static_cast<double>(b.last); },
};

/// First fit: each block at the lowest offset where no placed block that lives at the same time
/// overlaps.
Packing first_fit(const std::vector<Placement>& blocks, Key key) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    const double left = key(blocks[a]);
    const double right = key(blocks[b]);
    return left != right ? left < right : blocks[a].bytes > blocks[b].bytes;
  });
  Packing packing{.height = 0, .offsets = std::vector<std::int64_t>(blocks.size())};
  std::vector<Placement> placed;  // sorted by offset; copies, so that they are read in order
  placed.reserve(blocks.size());
  for (const std::size_t i : order) {
    Placement block = blocks[i];
    block.offset = 0;
    for (const Placement& other : placed) {
      if (other.last < block.first || other.first > block.last) continue;
      if (block.offset + block.bytes <= other.offset) break;
      block.offset = std::max(block.offset, other.offset + other.bytes);
    }
    placed.insert(std::ranges::upper_bound(placed, block.offset, {}, &Placement::offset), block);
    packing.offsets[i] = block.offset;
    packing.height = std::max(packing.height, block.offset + block.bytes);
  }
  return packing;
}

/// The lowest packing that first fit and stacking find, from offset 0.
Packing lowest(const std::vector<Placement>& blocks, std::int64_t bound) {
  Packing best;
  for (const Key key : kKeys) {
    Packing packing = first_fit(blocks, key);
    if (best.offsets.empty() || packing.height < best.height) best = std::move(packing);
    if (best.height <= bound) return best;
  }
  Stacker stacker(blocks);
  const auto improve = [&](std::int64_t height) {
    std::optional<Packing> packing = stacker.stack(height);
    if (packing) best = std::move(*packing);
    return packing.has_value();
  };
  if (improve(bound)) return best;
  // Between what was found and what was not.
  std::int64_t low = bound;
  while (best.height - low > kArenaAlignment) {
    const std::int64_t middle = low + aligned((best.height - low) / 2);
    if (middle >= best.height || stacker.spent()) break;
    if (!improve(middle)) low = middle;
  }
  return best;
}

}  // namespace

std::int64_t pack(const std::vector<Placement*>& blocks, std::int64_t floor, std::int64_t bound) {
  std::vector<Placement> copies;
  copies.reserve(blocks.size());
  for (const Placement* block : blocks) copies.push_back(*block);
  const Packing best = lowest(copies, bound - floor);
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i]->offset = floor + best.offsets[i];
  return floor + best.height;
}

}  // namespace mpsearch
