// Branch and bound over option sets of layers, with Lagrangian bounds. Used by the exact engine.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "search/solver/dual.h"
#include "search/solver/engine.h"
#include "search/solver/label_search.h"

namespace mpsearch::solver {

/// What is left to decide in one part of the search.
struct SearchNode {
  std::vector<char> allowed;  // [option]
  double bound = 0;
  DualState state;
  long labels_from = std::numeric_limits<long>::max();  // options at most for labels to be tried
};

class BranchAndBound {
 public:
  BranchAndBound(const Problem& problem, FrontierGraph graph, Task task,
                 const std::vector<char>& allowed, const SolveOptions& options,
                 const Patience& patience);

  /// A known feasible choice to start from.
  void start_from(const std::vector<int>& choice);
  Answer run();

  /// The multipliers with which the first node was bounded, and that bound.
  const DualState& root() const { return root_state_; }
  double root_bound() const { return root_bound_; }

 private:
  void bracket_peak();
  double stop() const;
  double tie() const;
  void close(const SearchNode& node, double least);
  double meet(const Path& path);
  bool feasible(const Path& path) const;

  bool process(SearchNode& node, bool is_root);
  bool bound_rows(SearchNode& node);
  bool tighten(SearchNode& node, int steps);
  bool finish_by_labels(SearchNode& node);
  LabelResult search_labels(const SearchNode& node, const View& view, std::size_t most,
                            bool exact) const;
  void search_beams(const SearchNode& node, std::size_t most);
  void search_near_incumbent(const SearchNode& node);
  void strike_root();

  struct Split {
    int layer_step = -1;
    std::vector<char> heavy;  // [option of the layer]
  };
  Split split(const SearchNode& node) const;
  SearchNode child(const SearchNode& node, const Split& split, bool heavy) const;
  std::vector<double> burden(int step) const;

  void shrink_graph();
  void price_goal();

  const Problem& problem_;
  FrontierGraph graph_;
  Task task_;
  const SolveOptions& options_;
  const Patience& patience_;
  Offsets offsets_;
  std::unique_ptr<UsageClasses> classes_;
  std::unique_ptr<Pricing> goal_;  // priced by the goal alone
  std::unique_ptr<Dual> dual_;
  View root_view_;
  View view_;
  std::vector<RowBounds> row_bounds_;
  DualState root_state_;
  double root_bound_ = 0;
  double spread_ = 0;   // of the goal over all paths
  double dearest_ = 0;  // an upper bound on any choice's goal
  std::vector<int> incumbent_;
  double incumbent_goal_ = 0;
  std::int64_t grain_ = 1;  // every peak is a multiple of it
  double struck_at_ = 0;    // the incumbent when the root was last struck
  std::int64_t nodes_ = 0;

  /// A closed part of the search that may hold a choice as good as the incumbent.
  struct Closed {
    double least = 0;
    std::vector<char> allowed;
  };
  std::vector<Closed> closed_;
};

}  // namespace mpsearch::solver
