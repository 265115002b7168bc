// One tensor (or pair of layers) under fixed prices, as a table of states over the layers that
// touch it: what the certificate's check eliminates. Used by certificate.cpp alone; shares nothing
// with the engines' factors, so that one checks the other.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "search/solver/problem.h"

namespace mpsearch::proof {

/// What a unit of each cost adds to the Lagrangian.
class Prices {
 public:
  Prices(const Problem& problem, const Certificate& certificate);

  double ms() const { return ms_; }
  double sensitivity() const { return sensitivity_; }
  /// Price of one byte held at every event of first..last.
  double held(int first, int last) const {
    return until_[static_cast<std::size_t>(last) + 1] - until_[static_cast<std::size_t>(first)];
  }
  double of(const std::vector<ByteInterval>& bytes) const;
  /// Priced events up to `event`: ends that share it cost the same.
  int priced_until(int event) const { return count_[static_cast<std::size_t>(event)]; }
  /// The last event of those that share priced_until().
  int alike(int event) const { return alike_[static_cast<std::size_t>(event)]; }

 private:
  double ms_ = 0;
  double sensitivity_ = 0;
  std::vector<double> until_;
  std::vector<int> count_;
  std::vector<int> alike_;
};

/// One state before the first layer and one after the last; `next` is -1 where a cast is missing.
struct PricedTable {
  struct Arc {
    int next = -1;
    double price = 0;
  };
  std::vector<int> layers;             // in the order of elimination
  std::vector<std::vector<Arc>> arcs;  // at each layer: state x options + option
  double start = 0;                    // paid by every choice
  bool empty() const { return layers.empty(); }
};

/// Tables over `layers`, which come in the order of elimination and are all that touch the tensor
/// or pair. A tensor whose price no choice changes has an empty table. `room` is lowered by the
/// arcs made; the table is unfinished once it is below 0.
PricedTable priced_tensor(const Problem& problem, int tensor, std::vector<int> layers,
                          const Prices& prices, long& room);
PricedTable priced_pair(const Problem& problem, const ProblemPair& pair, std::vector<int> layers,
                        const Prices& prices);

}  // namespace mpsearch::proof
