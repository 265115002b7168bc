// Stacking: a search for a packing of a given height. Used by packing.cpp alone.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/packing.h"

namespace mpsearch {

struct Packing {
  std::int64_t height = 0;
  std::vector<std::int64_t> offsets;  // by block
};

/// Places blocks in the order of their offsets, each on what lies below it. A packing pushed down
/// as far as it goes can be built in that order, and then bytes that stay empty show early: in each
/// section (the steps between one start or end of a block and the next) the lowest offset that is
/// left for one of its blocks, and all that is still to be placed there, must fit below the height.
/// Depth first, in a few orders of preference. After M. D. Moffitt, "MiniMalloc", ASPLOS 2023.
class Stacker {
 public:
  explicit Stacker(const std::vector<Placement>& blocks);

  /// A packing of at most `height`; none where the search ends without, which proves nothing.
  std::optional<Packing> stack(std::int64_t height);

  /// The effort of all searches together is at its end.
  bool spent() const;

 private:
  struct Block {
    std::int64_t bytes;
    std::size_t begin, end;  // sections
  };
  /// One decision of the search, kept to be undone.
  struct Level {
    std::vector<std::size_t> waiting;     // blocks that are not placed, the lowest first
    std::vector<std::size_t> candidates;  // a heap, the next one on top
    std::vector<std::pair<std::size_t, std::int64_t>> raised;  // blocks and their old offsets
  };

  /// What candidates are compared by: the lowest first, then the preferred one.
  auto rank_of(const std::vector<int>& rank) const {
    return [this, &rank](std::size_t i) { return std::pair(offset_[i], rank[i]); };
  }

  bool search(std::int64_t height, const std::vector<int>& rank);
  void reset();
  void open(std::size_t depth, std::int64_t before, const std::vector<int>& rank);
  void place(std::size_t block, Level& level);
  void take_back(std::size_t block, Level& level);
  void leave_waiting(std::size_t block, const Level& level,
                     std::vector<std::size_t>& waiting) const;
  bool fits(std::int64_t height, std::int64_t offset, const std::vector<std::size_t>& waiting);

  std::vector<Block> blocks_;
  std::vector<std::vector<int>> ranks_;
  std::vector<std::int64_t> offset_;  // where it lies, or the lowest that is left for it
  std::vector<std::int64_t> left_;    // by section: bytes still to be placed
  std::vector<std::size_t> unseen_;   // by section: itself, or one nearer to the next not seen
  std::vector<Level> levels_;
  double effort_ = 0;
};

}  // namespace mpsearch
