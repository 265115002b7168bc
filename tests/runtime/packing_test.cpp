// Packing against arenas that are known: a rectangle of steps and bytes is cut into blocks at
// random, so the blocks fill it without a gap, and no arena can be lower.
#include "runtime/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace mpsearch {
namespace {

constexpr int kSteps = 60;
constexpr int kUnits = 400;  // of the arena's alignment

/// Cuts the first block in two at random, across its bytes or its steps, until there are `count`.
/// The blocks lie where they fill the rectangle.
std::vector<Placement> cut_rectangle(int count, std::mt19937& random) {
  std::vector<Placement> blocks = {{0, kUnits * kArenaAlignment, 0, kSteps - 1}};
  while (static_cast<int>(blocks.size()) < count) {
    const auto which = std::uniform_int_distribution<std::size_t>(0, blocks.size() - 1)(random);
    Placement& block = blocks[which];
    Placement rest = block;
    if (random() % 2 == 0 && block.last > block.first) {
      block.last = std::uniform_int_distribution<int>(block.first, block.last - 1)(random);
      rest.first = block.last + 1;
    } else if (block.bytes > kArenaAlignment) {
      const std::int64_t units = block.bytes / kArenaAlignment;
      block.bytes =
          kArenaAlignment * std::uniform_int_distribution<std::int64_t>(1, units - 1)(random);
      rest.bytes -= block.bytes;
      rest.offset += block.bytes;
    } else {
      continue;
    }
    blocks.push_back(rest);
  }
  std::ranges::shuffle(blocks, random);
  return blocks;
}

std::int64_t pack_all(std::vector<Placement>& blocks, std::int64_t floor, std::int64_t bound) {
  std::vector<Placement*> pointers;
  for (Placement& block : blocks) {
    block.offset = -1;
    pointers.push_back(&block);
  }
  return pack(pointers, floor, bound);
}

TEST(Packing, NoBlocksThatLiveAtTheSameStepOverlap) {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::vector<Placement> blocks = cut_rectangle(80, random);
    // Some leave, so that the rest has room to lie in more than one way.
    blocks.resize(60);
    const std::int64_t end = pack_all(blocks, 1024, 1024);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const Placement& a = blocks[i];
      EXPECT_GE(a.offset, 1024);
      EXPECT_LE(a.offset + a.bytes, end);
      for (std::size_t j = 0; j < i; ++j) {
        const Placement& b = blocks[j];
        const bool together = a.first <= b.last && b.first <= a.last;
        EXPECT_TRUE(!together || a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
      }
    }
  }
}

TEST(Packing, BlocksThatFillARectangleAreMostlyPackedWithoutAGap) {
  std::mt19937 random(2);
  constexpr int kRounds = 40;
  int perfect = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Placement> blocks = cut_rectangle(60, random);
    const std::int64_t height = kUnits * kArenaAlignment;
    const std::int64_t end = pack_all(blocks, 0, height);
    perfect += end == height;
    EXPECT_LE(static_cast<double>(end), 1.1 * static_cast<double>(height));
  }
  EXPECT_GE(perfect, 36) << "of " << kRounds << "; first fit finds half of them";
}

TEST(Packing, NoBlocksEndAtTheFloor) { EXPECT_EQ(pack({}, 512, 512), 512); }

}  // namespace
}  // namespace mpsearch
