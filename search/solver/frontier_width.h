// How wide a frontier graph becomes while layers are eliminated in some order, guessed. Used where
// orders are chosen.
#pragma once

#include <algorithm>
#include <vector>

#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::solver {

/// The layers that a tensor, a pair or a forbidden combination ties together.
struct Tie {
  std::vector<int> layers;
  double most_bits = 0;  // of its state
};

/// What a layer tells a tie: the state holds as many bits more once it is eliminated.
struct Told {
  int tie = 0;
  double bits = 0;
};

struct Ties {
  std::vector<Tie> all;
  std::vector<std::vector<Told>> of;  // each layer
};

Ties ties_of(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden);

/// What is open while layers are eliminated one by one. The layers at the border bound the width as
/// well: their options determine every open state.
class Frontier {
 public:
  Frontier(const Problem& problem, const Ties& ties);
  /// The number of states, as a power of two.
  double bits() const { return std::min(tie_bits_, layer_bits_); }
  /// bits() after eliminating the layer.
  double bits_after(int layer) const;
  void eliminate(int layer);

 private:
  double bits_of(int tie) const { return std::min(told_[tie], ties_.all[tie].most_bits); }

  const Ties& ties_;
  std::vector<int> left_;         // layers of each tie that are not eliminated
  std::vector<double> told_;      // to each tie by those that are
  std::vector<int> open_;         // ties of each eliminated layer
  std::vector<double> own_bits_;  // of each layer's options
  double tie_bits_ = 0;
  double layer_bits_ = 0;
};

}  // namespace mpsearch::solver
