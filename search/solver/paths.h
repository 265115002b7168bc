// Shortest paths in the frontier graph under prices for ms, sensitivity and bytes, with options and
// arcs that may be struck out. Used by the dual, the label search and branch and bound.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {

/// A linear function of a choice: its price in ms, sensitivity and bytes at single events.
struct Functional {
  double ms = 0;
  double sensitivity = 0;
  std::vector<std::pair<int, double>> events;
};

/// One choice with its exact figures; `usage` includes the base.
struct Path {
  std::vector<int> choice;  // by layer
  double ms = 0;
  double sensitivity = 0;
  std::vector<std::int64_t> usage;

  double value(const Functional& f) const;
};

/// Where the arrays of each step begin in the flat arrays of the whole graph, and its items laid
/// out for pricing.
struct Offsets {
  explicit Offsets(const FrontierGraph& graph);
  std::vector<int> signature, cell, node;
  std::vector<std::size_t> arc;
  std::vector<double> item_ms, item_sensitivity;
  std::vector<int> item_steps;  // of each item: the first of its steps; and one more
  std::vector<int> step_event;
  std::vector<double> step_bytes;
};

/// What is left of the graph: options and arcs that are not struck out.
struct View {
  std::vector<char> allowed;  // [option]
  std::vector<int> to;        // [arc]: next node, -1: struck out
};

std::vector<char> all_options(const FrontierGraph& graph);
View whole_view(const FrontierGraph& graph, std::vector<char> allowed);

/// All prices of the graph under one functional, and the cheapest ways to each node's end.
class Pricing {
 public:
  Pricing(const FrontierGraph& graph, const Offsets& offsets);

  /// Prices everything; then the least price of any path is `least()`, infinite without a path.
  void price(const Functional& functional, const View& view);
  double least() const { return least_; }
  /// The price of the dearest path instead; leaves the prices to the end unusable.
  double dearest(const Functional& functional, const View& view);
  /// The cheapest path; ties go to the lowest option. Only when least() is finite.
  Path path(const View& view) const;
  /// Strikes out whatever lies only on paths dearer than `most`. Returns the options struck out.
  int strike(View& view, double most);
  /// The same by other bounds of the ways from the start to each node and on to the end.
  int strike(View& view, double most, const std::vector<double>& from_start,
             const std::vector<double>& to_end) const;

  /// Fills in from_start() for the prices of the last price().
  void price_from_start(const View& view);

  /// The cheapest ways from the nodes before a step to the end, and from the start to them: [node].
  const double* to_end(int step) const { return to_end_.data() + offsets_.node[step]; }
  const double* from_start(int step) const { return from_start_.data() + offsets_.node[step]; }
  double cell(int step, int row, int signature) const {
    return cell_[offsets_.cell[step] + row * graph_.steps[step].signatures + signature];
  }
  double own(int step, int option) const { return own_[graph_.steps[step].first_option + option]; }
  /// The own price of a signature's cheapest option that the last price() allowed.
  double cheapest(int step, int signature) const {
    return cheapest_[offsets_.signature[step] + signature];
  }
  double start() const { return start_; }

 private:
  void price_items(const Functional& functional);
  void price_cells(const View& view, bool least);

  const FrontierGraph& graph_;
  const Offsets& offsets_;
  double start_ = 0;
  double least_ = 0;
  std::vector<double> item_;
  std::vector<double> own_;       // [option]
  std::vector<double> cheapest_;  // [signature]: own price of its cheapest allowed option
  std::vector<double> cell_;
  std::vector<double> to_end_;  // [node], and the last node
  std::vector<double> from_start_;
};

/// The exact figures of a choice that the graph allows.
Path path_of(const FrontierGraph& graph, std::vector<int> choice);

}  // namespace mpsearch::solver
