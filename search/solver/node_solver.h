// What branch and bound does in a node, and on the way down from it. Used by branch and bound.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "search/solver/dual.h"
#include "search/solver/engine.h"
#include "search/solver/label_search.h"
#include "search/solver/part.h"

namespace mpsearch::solver {

/// What is left to decide in one part of the search. Until it is turned to, the state is on the
/// problem's rows.
struct SearchNode {
  std::vector<char> allowed;  // [option]
  double bound = 0;
  DualState state;
  long labels_from = std::numeric_limits<long>::max();  // options at most for labels to be tried
};

/// A closed part of the search that may hold a choice as good as the incumbent.
struct ClosedNode {
  double least = 0;
  std::vector<char> allowed;  // [option]
};

class NodeSolver {
 public:
  NodeSolver(const Problem& problem, FrontierGraph graph, Task task,
             const std::vector<char>& allowed, const SolveOptions& options,
             const Patience& patience);
  /// One more, for other nodes, once `first` has seen the first node.
  explicit NodeSolver(const NodeSolver& first);
  NodeSolver& operator=(const NodeSolver&) = delete;

  /// A known feasible choice to start from.
  void start_from(const std::vector<int>& choice);
  /// The same for a choice that another solver found.
  void hear_of(const std::vector<int>& choice, double goal);
  /// The first node.
  SearchNode root() const;
  /// The next node to turn to, once the last one is done with.
  void take(SearchNode node);
  /// Settles the node or splits it and goes on with one of the halves; so `most` times at most.
  /// Halves to come back to go to `open`.
  void plunge(std::int64_t most, std::vector<SearchNode>& open);

  /// The node to go on with, if any.
  const std::optional<SearchNode>& going() const { return going_; }
  /// Empty when none is known.
  const std::vector<int>& incumbent() const { return incumbent_; }
  double incumbent_goal() const { return incumbent_goal_; }
  /// A part of the search whose bound reaches this holds nothing better.
  double stop() const;
  /// What costs at most this may be as good as the incumbent.
  double tie() const;
  std::int64_t nodes() const { return nodes_; }
  /// How many arcs there are to search.
  std::int64_t arcs() const { return root_part_->graph.arcs; }
  const std::vector<ClosedNode>& closed() const { return closed_; }
  /// The multipliers with which the first node was bounded, on the problem's rows.
  const DualState& root_state() const { return root_state_; }

 private:
  void bracket_peak();
  double gap_to(double bound) const;
  void close(const SearchNode& node, double least);
  void close_by_labels(const SearchNode& node, const LabelResult& result);
  double meet(const Path& path);
  bool feasible(const Path& path) const;

  void step_down(std::vector<SearchNode>& open);
  bool process(SearchNode& node);
  bool settle_root(SearchNode& node);
  bool find_choices(SearchNode& node);
  static std::vector<int> heaviest_rows(const DualState& state);
  bool bound_rows(const SearchNode& node);
  bool tighten(SearchNode& node, int steps);
  bool sweep(SearchNode& node, std::size_t kept);
  bool finish_by_labels(SearchNode& node, const LabelEffort& effort);
  std::optional<bool> refute_relaxed(SearchNode& node, const LabelEffort& effort, double beyond);
  LabelEffort effort_of_node() const;
  bool search_near_bound(SearchNode& node);
  bool settle_near_bound(SearchNode& node, const View& whole, const LabelResult& result);
  void prepare_labels(const View& view);
  LabelResult search_labels(const SearchNode& node, const View& view, const LabelEffort& effort,
                            double stop, const Ways* ways = nullptr) const;
  void search_beams(const SearchNode& node, const LabelEffort& effort);
  void search_within(const SearchNode& node, double part);
  void search_near_incumbent(const SearchNode& node);
  void improve_in_windows(const SearchNode& node);
  void improve_in(const SearchNode& node, const View& whole, std::size_t first, std::size_t end);

  void contract_part();
  void use(std::shared_ptr<Part> part);
  void tell_part();
  bool shrink_to_view(SearchNode& node);
  bool worth_shrinking() const;
  void turn_to(SearchNode& node, bool within_last);
  void strike_root();
  void round_base_up(FrontierGraph& graph, const std::vector<char>& allowed) const;

  struct Split {
    int layer_step = 0;
    std::vector<char> heavy;  // [option of the layer]
    double variance = 0;      // of the mixed paths' burden
  };
  struct Halves {
    SearchNode heavy, light;
  };
  Functional priced_limits(const DualState& state) const;
  Functional exceeded_limit(const DualState& state) const;
  std::vector<Split> splits(const SearchNode& node, const Functional& limits);
  std::optional<Halves> branch(const SearchNode& node);
  Halves best_halves(const SearchNode& node, const std::vector<Split>& splits);
  double bound_half(SearchNode& half, const Split& split);
  SearchNode child(const SearchNode& node, const Split& split, bool heavy) const;
  std::vector<double> burden(int step) const;

  const Problem& problem_;
  Task task_;                      // on the problem's rows
  std::vector<int> first_option_;  // by layer: its place in `allowed`
  std::int64_t grain_ = 1;         // every peak is a multiple of it
  const SolveOptions& options_;
  const Patience& patience_;
  std::shared_ptr<Part> part_;  // that the node works on
  std::shared_ptr<Part> root_part_;
  View view_;                 // what is left of the part
  std::optional<Ways> ways_;  // through view_ at the multipliers of the node
  std::vector<RowBounds> row_bounds_;
  DualState root_state_;  // on the problem's rows
  double least_ = 0;      // a lower bound on any choice's goal
  double spread_ = 0;     // of the goal over all paths
  double dearest_ = 0;    // an upper bound on any choice's goal
  std::vector<int> incumbent_;
  double incumbent_goal_ = 0;
  double struck_at_ = 0;  // the incumbent when the root was last struck
  std::int64_t nodes_ = 0;
  int vain_sweeps_ = 0;          // the last ones
  std::int64_t next_sweep_ = 0;  // the node before which none is worth while

  std::optional<SearchNode> going_;
  bool within_last_ = false;  // going_ lies within the last node
  std::vector<ClosedNode> closed_;
};

}  // namespace mpsearch::solver
