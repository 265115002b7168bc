// Which of many points none of the others betters in every figure. Used by the label passes.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace mpsearch::solver {

/// A tree over points of a few figures. Its boxes know the least of each figure among the points
/// kept so far, eight boxes side by side, so that most points need not be looked at.
class DominanceTree {
 public:
  /// `points`: [point x figures]. None is kept yet.
  void reset(const std::vector<double>& points, int figures);
  /// A kept point that exceeds the given one in no figure, by more than `slack` in the first one;
  /// -1: none.
  int dominator(std::size_t point, double slack);
  void keep(std::size_t point);

 private:
  void arrange(std::size_t first, std::size_t count, int depth, const std::vector<double>& points);
  unsigned below(std::size_t level, std::size_t block, const float* asked) const;

  int figures_ = 0;
  std::vector<int> at_;         // the point at each place
  std::vector<int> place_;      // of each point
  std::vector<double> points_;  // [place x figures]
  /// Level 0 holds the points by place, each box of a level eight boxes of the one before.
  std::vector<std::vector<float>> least_;  // [level][block x figures x 8]
  std::vector<float> asked_;
  std::vector<std::pair<double, int>> keyed_;  // places while they are arranged, by one figure
};

}  // namespace mpsearch::solver
