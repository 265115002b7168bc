// Betters an order of elimination by small moves. Used where plain orders leave much open.
#pragma once

#include <vector>

#include "search/solver/engine.h"
#include "search/solver/frontier_width.h"

namespace mpsearch::solver {

/// Layers in an order, and the nodes that it promises.
struct Candidate {
  std::vector<int> layers;
  double nodes = 0;
};

/// The nodes of all steps, as far as the frontier's width tells them.
double promised_nodes(Ties& ties, const std::vector<int>& layers);

/// The best order met on a walk from `start` that moves a few layers at a time and shies ever more
/// from worse orders (simulated annealing).
Candidate anneal(Ties& ties, const Candidate& start, const Patience& patience);

}  // namespace mpsearch::solver
