#include "runtime/stacking.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace mpsearch {
namespace {

/// Blocks and sections looked at, over all searches: some hundredths of a second.
constexpr double kMostEffort = 3e7;

/// First steps of the sections.
std::vector<int> sections_of(const std::vector<Placement>& blocks) {
  std::vector<int> sections;
  for (const Placement& block : blocks) {
    sections.push_back(block.first);
    sections.push_back(block.last + 1);
  }
  std::ranges::sort(sections);
  sections.erase(std::ranges::unique(sections).begin(), sections.end());
  return sections;
}

}  // namespace

Stacker::Stacker(const std::vector<Placement>& blocks) {
  const std::vector<int> sections = sections_of(blocks);
  std::vector<std::int64_t> load(sections.size());
  for (const Placement& block : blocks) {
    const auto begin = std::ranges::lower_bound(sections, block.first) - sections.begin();
    const auto end = std::ranges::upper_bound(sections, block.last) - sections.begin();
    blocks_.push_back(
        {block.bytes, static_cast<std::size_t>(begin), static_cast<std::size_t>(end)});
    for (std::size_t s = blocks_.back().begin; s < blocks_.back().end; ++s) load[s] += block.bytes;
  }
  left_.resize(sections.size());
  unseen_.resize(sections.size() + 1);
  levels_.resize(blocks_.size());

  using Preference = std::array<double, 3>;
  std::array<std::vector<Preference>, 4> preferences;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const double length = blocks[i].last - blocks[i].first + 1;
    const double bytes = static_cast<double>(block.bytes);
    const double area = length * bytes;
    const double most = static_cast<double>(
        *std::max_element(load.begin() + static_cast<std::ptrdiff_t>(block.begin),
                          load.begin() + static_cast<std::ptrdiff_t>(block.end)));
    preferences[0].push_back({length, area, most});
    preferences[1].push_back({most, area, length});
    preferences[2].push_back({most, length, area});
    preferences[3].push_back({area, bytes, most});
  }
  for (const std::vector<Preference>& preference : preferences) {
    std::vector<std::size_t> order(blocks_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::size_t i) { return preference[i]; });
    std::vector<int>& rank = ranks_.emplace_back(blocks_.size());
    for (std::size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<int>(i);
  }
}

std::optional<Packing> Stacker::stack(std::int64_t height) {
  for (const std::vector<int>& rank : ranks_) {
    if (spent()) break;
    if (!search(height, rank)) continue;
    Packing packing{.height = 0, .offsets = offset_};
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      packing.height = std::max(packing.height, offset_[i] + blocks_[i].bytes);
    return packing;
  }
  return std::nullopt;
}

bool Stacker::spent() const { return effort_ >= kMostEffort; }

void Stacker::reset() {
  offset_.assign(blocks_.size(), 0);
  std::ranges::fill(left_, 0);
  for (const Block& block : blocks_) {
    for (std::size_t s = block.begin; s < block.end; ++s) left_[s] += block.bytes;
  }
}

/// Half as many steps more than there are blocks: a search that has to go back often is better
/// begun again in another order.
bool Stacker::search(std::int64_t height, const std::vector<int>& rank) {
  reset();
  std::size_t depth = 0;
  std::vector<std::size_t> stack;  // blocks placed, one a level
  levels_[0].waiting.resize(blocks_.size());
  std::iota(levels_[0].waiting.begin(), levels_[0].waiting.end(), std::size_t{0});
  open(0, 0, rank);
  for (std::size_t steps = blocks_.size() * 3 / 2; steps > 0 && !spent();) {
    Level& level = levels_[depth];
    if (level.candidates.empty()) {
      if (depth == 0) return false;
      --depth;
      take_back(stack.back(), levels_[depth]);
      stack.pop_back();
      continue;
    }
    std::ranges::pop_heap(level.candidates, std::ranges::greater{}, rank_of(rank));
    const std::size_t block = level.candidates.back();
    level.candidates.pop_back();
    const std::int64_t offset = offset_[block];
    if (offset + blocks_[block].bytes > height) continue;
    --steps;
    place(block, level);
    stack.push_back(block);
    if (stack.size() == blocks_.size()) return true;
    leave_waiting(block, level, levels_[depth + 1].waiting);
    if (fits(height, offset, levels_[depth + 1].waiting)) {
      open(++depth, offset, rank);
    } else {
      take_back(block, level);
      stack.pop_back();
    }
  }
  return false;
}

/// Candidates are blocks that no other could be put under: the rest can wait.
void Stacker::open(std::size_t depth, std::int64_t before, const std::vector<int>& rank) {
  Level& level = levels_[depth];
  level.candidates.clear();
  std::int64_t top = std::numeric_limits<std::int64_t>::max();
  const auto first = std::ranges::lower_bound(level.waiting, before, {},
                                              [&](std::size_t i) { return offset_[i]; });
  for (auto it = first; it != level.waiting.end() && offset_[*it] < top; ++it) {
    top = std::min(top, offset_[*it] + blocks_[*it].bytes);
    level.candidates.push_back(*it);
  }
  std::erase_if(level.candidates, [&](std::size_t i) { return offset_[i] >= top; });
  std::ranges::make_heap(level.candidates, std::ranges::greater{}, rank_of(rank));
  effort_ += 2 * static_cast<double>(blocks_.size());
}

void Stacker::place(std::size_t block, Level& level) {
  const Block& it = blocks_[block];
  level.raised.clear();
  const std::int64_t top = offset_[block] + it.bytes;
  for (std::size_t s = it.begin; s < it.end; ++s) left_[s] -= it.bytes;
  for (const std::size_t i : level.waiting) {
    if (offset_[i] >= top) break;
    const Block& other = blocks_[i];
    if (i == block || other.end <= it.begin || it.end <= other.begin) continue;
    level.raised.emplace_back(i, offset_[i]);
    offset_[i] = top;
  }
  effort_ += static_cast<double>(blocks_.size());
}

/// What waits once `block` is placed, the lowest first: those that it raised come up to its top.
void Stacker::leave_waiting(std::size_t block, const Level& level,
                            std::vector<std::size_t>& waiting) const {
  const std::int64_t top = offset_[block] + blocks_[block].bytes;
  waiting.clear();
  auto raised = level.raised.begin();
  auto it = level.waiting.begin();
  for (; it != level.waiting.end() && offset_[*it] <= top; ++it) {
    if (raised != level.raised.end() && raised->first == *it)
      ++raised;
    else if (*it != block)
      waiting.push_back(*it);
  }
  for (const auto& [other, offset] : level.raised) waiting.push_back(other);
  waiting.insert(waiting.end(), it, level.waiting.end());
}

void Stacker::take_back(std::size_t block, Level& level) {
  for (const auto& [other, offset] : level.raised) offset_[other] = offset;
  for (std::size_t s = blocks_[block].begin; s < blocks_[block].end; ++s)
    left_[s] += blocks_[block].bytes;
}

/// Whether what waits may still fit, none of it below `offset`. The lowest blocks come first, so
/// that each section is looked at once.
bool Stacker::fits(std::int64_t height, std::int64_t offset,
                   const std::vector<std::size_t>& waiting) {
  for (const std::size_t i : waiting)
    if (std::max(offset, offset_[i]) + blocks_[i].bytes > height) return false;
  std::iota(unseen_.begin(), unseen_.end(), std::size_t{0});
  const auto unseen = [&](std::size_t s) {
    while (unseen_[s] != s) s = unseen_[s] = unseen_[unseen_[s]];
    return s;
  };
  for (const std::size_t i : waiting) {
    const std::int64_t at = std::max(offset, offset_[i]);
    for (std::size_t s = unseen(blocks_[i].begin); s < blocks_[i].end; s = unseen(s)) {
      if (at + left_[s] > height) return false;
      unseen_[s] = s + 1;
    }
  }
  effort_ += static_cast<double>(2 * blocks_.size() + left_.size());
  return true;
}

}  // namespace mpsearch
