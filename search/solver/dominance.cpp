#include "search/solver/dominance.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>

namespace mpsearch::solver {
namespace {

constexpr std::size_t kLanes = 8;

/// So few points need no order.
constexpr std::size_t kFew = 128;

/// Four numbers side by side: every processor that we know compares them at once.
using Floats = float __attribute__((vector_size(16)));
using Half = int __attribute__((vector_size(16)));

}  // namespace

void DominanceTree::reset(const std::vector<double>& points, int figures) {
  const std::size_t count = points.size() / figures;
  figures_ = figures;
  at_.resize(count);
  std::iota(at_.begin(), at_.end(), 0);
  std::size_t full = kLanes;
  while (full < count) full *= 2;
  if (count > kFew) {
    keyed_.resize(count);
    arrange(0, full, 0, points);
  }
  place_.resize(count);
  points_.resize(points.size());
  for (std::size_t p = 0; p < count; ++p) {
    place_[at_[p]] = static_cast<int>(p);
    std::copy_n(points.begin() + static_cast<std::ptrdiff_t>(at_[p]) * figures, figures,
                points_.begin() + static_cast<std::ptrdiff_t>(p) * figures);
  }
  std::size_t levels = 0;
  for (std::size_t boxes = count; levels == 0 || boxes > 1; ++levels) {
    boxes = (boxes + kLanes - 1) / kLanes;
    if (least_.size() == levels) least_.emplace_back();
    least_[levels].assign(boxes * figures * kLanes, std::numeric_limits<float>::infinity());
  }
  least_.resize(levels);
}

/// Splits `count` places, a power of two, in the middle, by one figure after another.
void DominanceTree::arrange(std::size_t first, std::size_t count, int depth,
                            const std::vector<double>& points) {
  const std::size_t middle = first + count / 2;
  if (count <= kLanes) return;
  if (middle < at_.size()) {
    const std::size_t f = depth % figures_;
    const std::size_t end = std::min(first + count, at_.size());
    for (std::size_t p = first; p < end; ++p)
      keyed_[p] = {static_cast<float>(points[static_cast<std::size_t>(at_[p]) * figures_ + f]),
                   at_[p]};
    const auto begin = keyed_.begin();
    std::nth_element(begin + first, begin + middle, begin + end,
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t p = first; p < end; ++p) at_[p] = keyed_[p].second;
    arrange(middle, count / 2, depth + 1, points);
  }
  arrange(first, count / 2, depth + 1, points);
}

/// Which of a block's boxes may hold a point that does not exceed `asked`, as bits. Rounding to
/// float keeps the order, so none is missed.
unsigned DominanceTree::below(std::size_t level, std::size_t block, const float* asked) const {
  const float* least = least_[level].data() + block * figures_ * kLanes;
  Half low = {-1, -1, -1, -1};
  Half high = low;
  for (int f = 0; f < figures_; ++f, least += kLanes) {
    Floats boxes[2];
    std::memcpy(boxes, least, sizeof boxes);
    low &= boxes[0] <= asked[f];
    high &= boxes[1] <= asked[f];
  }
  const Half bits = (low & Half{1, 2, 4, 8}) | (high & Half{16, 32, 64, 128});
  return static_cast<unsigned>(bits[0] | bits[1] | bits[2] | bits[3]);
}

int DominanceTree::dominator(std::size_t point, double slack) {
  const double* const mine = points_.data() + static_cast<std::size_t>(place_[point]) * figures_;
  asked_.resize(figures_);
  for (int f = 0; f < figures_; ++f)
    asked_[f] = static_cast<float>(f == 0 ? mine[f] + slack : mine[f]);
  struct Open {
    std::size_t block;
    unsigned boxes;
  };
  std::array<Open, 16> open;  // 8^16 points are more than there are
  std::size_t level = least_.size() - 1;
  open[level] = {0, below(level, 0, asked_.data())};
  while (true) {
    Open& here = open[level];
    if (here.boxes == 0) {
      if (++level == least_.size()) return -1;
      continue;
    }
    const std::size_t box = here.block * kLanes + std::countr_zero(here.boxes);
    here.boxes &= here.boxes - 1;
    if (level > 0) {
      --level;
      open[level] = {box, below(level, box, asked_.data())};
      continue;
    }
    const double* const theirs = points_.data() + box * figures_;
    bool exceeds = theirs[0] > mine[0] + slack;
    for (int f = 1; f < figures_; ++f) exceeds = exceeds || theirs[f] > mine[f];
    if (!exceeds) return at_[box];
  }
}

void DominanceTree::keep(std::size_t point) {
  std::size_t box = place_[point];
  const double* const mine = points_.data() + box * figures_;
  for (std::vector<float>& least : least_) {
    float* const at = least.data() + box / kLanes * figures_ * kLanes + box % kLanes;
    for (int f = 0; f < figures_; ++f)
      at[f * kLanes] = std::min(at[f * kLanes], static_cast<float>(mine[f]));
    box /= kLanes;
  }
}

}  // namespace mpsearch::solver
