// The whole problem but its limits as a layered graph: every path from the one first node to the
// one last node is a choice, and its arcs' items sum to the choice's exact cost. Used by the exact
// engine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "search/solver/engine.h"
#include "search/solver/factor.h"
#include "search/solver/item.h"
#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::solver {

/// The arcs of one layer. Options that lead everywhere to the same place at the same shared cost
/// have one signature; what remains of their cost is their own. An arc belongs to a node and a
/// signature; its shared cost is a cell, named by the node's row and the signature.
struct Step {
  int layer = 0;
  int first_option = 0;  // the place of its options among those of all layers
  int nodes = 0;         // before the layer
  int rows = 0;
  int signatures = 0;
  std::vector<int> signature_of;  // of each option, -1: it has no arc
  std::vector<int> own;           // item of each option
  std::vector<int> row_of;        // of each node
  std::vector<int> to;            // [node x signatures + signature]: next node, -1: forbidden
  std::vector<int> cell_start;    // [row x signatures + signature], and one more
  std::vector<int> cell_items;
};

/// Events of the problem that are one in the graph: those from `first` to the next run's, of which
/// `fullest` holds most, whatever is chosen.
struct EventRun {
  int first = 0;
  int fullest = 0;
};

/// Of consecutive runs, each from its `first` event to the next one's, the one that holds `event`.
template <typename Run>
std::size_t run_at(const std::vector<Run>& runs, int event) {
  const auto after = std::upper_bound(runs.begin(), runs.end(), event,
                                      [](int e, const Run& run) { return e < run.first; });
  return static_cast<std::size_t>(after - runs.begin()) - 1;
}

struct FrontierGraph {
  std::vector<Item> items;
  std::vector<Step> steps;
  Item start;  // paid by every choice
  std::vector<std::int64_t> base;
  std::int64_t arcs = 0;
  std::vector<EventRun> events;
  int options = 0;           // of all layers
  std::vector<int> settled;  // by layer: the option of a layer without a step, -1: it has one
};

/// What every choice holds at each event: the base and what is paid at the start.
std::vector<std::int64_t> held_by_all(const FrontierGraph& graph);

/// Empty when it would need more than `most_arcs` or kMostMoves, or when patience is over. Without
/// a choice that all casts allow, the first step has no arc.
std::optional<FrontierGraph> build_graph(const Problem& problem, const Order& order,
                                         const std::vector<std::vector<Pick>>& forbidden,
                                         std::int64_t most_arcs, const Patience& patience);

/// Makes the graph as small as its arcs and the `allowed` options (of all layers) let it be.
/// Options keep their indices.
void reduce(FrontierGraph& graph, const std::vector<char>& allowed);

/// The same, and more: layers with one option left are no steps any more, what all choices have in
/// common is paid at the start, and events between which no choice makes a difference are one.
/// Options that no path takes are `allowed` no longer.
void contract(FrontierGraph& graph, std::vector<char>& allowed);

/// Orders worth building, the one that promises the narrowest graph first. Once patience is over
/// they are not bettered any more.
std::vector<Order> elimination_orders(const Problem& problem,
                                      const std::vector<std::vector<Pick>>& forbidden,
                                      const Patience& patience);

}  // namespace mpsearch::solver
