// A factor: one tensor, pair or forbidden combination as a small automaton over the layers that it
// concerns, in elimination order. The frontier graph is the product of all factors.
#pragma once

#include <vector>

#include "search/solver/item.h"
#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::solver {

/// Where an option leads and what it costs on the way; next = -1: forbidden.
struct Move {
  int next = -1;
  int item = 0;
  bool operator==(const Move&) const = default;
};

/// State 0 before the first layer of the scope, one state after the last.
struct Factor {
  std::vector<int> scope;                // layers, in elimination order
  std::vector<int> states;               // how many there are before each layer of the scope
  std::vector<std::vector<Move>> moves;  // at each layer: state x options + option
};

/// The order in which layers are eliminated, and its inverse.
struct Order {
  std::vector<int> layers;
  std::vector<int> position;  // of each layer
};

/// `layers` are those that touch the tensor; `start` receives what a given tensor costs before any
/// layer is chosen. Each move is taken off `most_moves`; below 0 the factor is unfinished.
Factor tensor_factor(const Problem& problem, int tensor, const std::vector<int>& layers,
                     const Order& order, ItemPool& pool, ItemBuilder& start,
                     std::int64_t& most_moves);

/// States of a factor: how many there are after each layer, and which one each option of the first
/// layer leads to.
struct StateCounts {
  std::vector<int> states;
  std::vector<int> first;
};

/// Those of a tensor after each of its `eliminated` first layers, before minimise().
StateCounts count_states(const Problem& problem, int tensor, const std::vector<int>& layers,
                         const Order& order, std::size_t eliminated, std::int64_t& most_moves);

Factor pair_factor(const Problem& problem, const ProblemPair& pair, const Order& order,
                   ItemPool& pool);
Factor forbidden_factor(const Problem& problem, const std::vector<Pick>& picks, const Order& order);

/// Merges states whose futures are equal.
void minimise(Factor& factor, const Problem& problem);

/// Layers that touch each tensor, in index order.
std::vector<std::vector<int>> accessors(const Problem& problem);

}  // namespace mpsearch::solver
