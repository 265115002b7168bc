// How wide a frontier graph becomes while layers are eliminated in some order, guessed. Used where
// orders are chosen.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "search/solver/ties.h"

namespace mpsearch::solver {

/// What is open while layers are eliminated one by one. A tie of which one layer is eliminated is
/// told by that layer's option, together with the other ones of that kind. One of which several
/// are has the states that it has alone, or what their options tell beyond that.
class Frontier {
 public:
  explicit Frontier(Ties& ties);
  /// The number of states, as a power of two.
  double bits() const { return bits_; }
  double states() const { return std::exp2(std::min(kMostBits, bits_)); }
  void eliminate(int layer) { change(layer); }
  /// Takes an eliminate() back.
  void restore(int layer) { change(layer); }
  /// Ties looked at by both of these, so far.
  std::int64_t effort() const { return effort_; }

  /// What is wider is as wide as that: sums of states stay exact enough.
  static constexpr double kMostBits = 60;

 private:
  void change(int layer);
  void tell_alone(int layer);
  void tell_together(int layer);
  double bits_beyond(int tie);

  Ties& ties_;
  std::vector<Bits> done_;          // layers of each tie
  std::vector<Bits> alone_;         // ties of each layer
  std::vector<double> alone_bits_;  // of each layer
  std::vector<double> tie_bits_;    // of each tie with several layers eliminated
  std::vector<int> changed_;        // layers
  double bits_ = 0;
  std::int64_t effort_ = 0;
};

}  // namespace mpsearch::solver
