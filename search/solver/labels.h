// Partial choices ("labels") carried from one end of the graph towards the other, pruned by
// Lagrangian bounds, by completion bounds of single rows and by dominance. Used by the label
// search.
#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "search/solver/dominance.h"
#include "search/solver/label_search.h"

namespace mpsearch::solver {

/// How a partial choice was made: the label before it and the option taken.
struct Trace {
  int parent = -1;
  int option = -1;
};

struct Label {
  int node = 0;
  Trace trace;
  double bound = 0;  // of every completion
  double way = 0;    // what the label itself has in it
};

/// Labels between two layers and the figures of each: the goal so far, the value of each usage
/// class, what each other row has used.
struct Labels {
  int figures = 0;
  std::vector<Label> at;
  std::vector<double> figure;

  std::size_t size() const { return at.size(); }
  const double* of(std::size_t label) const { return figure.data() + label * figures; }
  void clear(int count);
  void push(const Label& label, const double* figures_of_it);
};

/// Labels that run forward from the first node or backward from the last one.
class LabelPass {
 public:
  /// `classes` are those of the direction; `stop`: labels whose bound reaches it are dropped.
  LabelPass(const LabelTask& task, const UsageClasses& classes, bool forward, double stop);

  /// Takes `steps` steps, or gives up and says so, also when another pass that shares the flag did.
  void run(std::size_t steps, const LabelEffort& effort, std::atomic<bool>& gave_up);
  /// Takes all steps with at most `kept` labels after each; those dropped go on by prices alone.
  /// Returns the bounds of the ways to each node, [node] as Offsets lays them out.
  std::vector<double> sweep(std::size_t kept);

  const Labels& labels() const { return now_; }
  bool complete() const { return complete_; }
  /// The least bound of what was dropped because of it.
  double least_pruned() const { return least_pruned_; }
  /// By how much less the goal of a label that dominated another was, at least.
  double least_lead() const { return least_lead_; }
  /// The class of an event and whether it includes the base, after the last step.
  const ClassRun& run_of(int event) const { return boundary().run_of(event); }
  const ClassBoundary& boundary() const { return classes_.boundaries[done_]; }
  /// Weight of each figure in the bound, after the last step.
  const std::vector<double>& factors() const { return factor_; }
  std::size_t others() const { return others_.size(); }
  const RowBounds& other(std::size_t i) const { return *others_[i]; }
  /// Writes the options that a label took into `choice`, by layer.
  void trace(int label, std::vector<int>& choice) const;

 private:
  /// A limit on an event of the classes or on another row: figure + `add` + the way to the end.
  struct Guard {
    int figure = 0;
    double add = 0;
    double limit = 0;
    const double* rest = nullptr;  // [node]
  };

  /// An option of the step now taken that is still allowed.
  struct Move {
    int option = 0;
    double price = 0;
    double goal = 0;
  };

  /// A row's mean usage at this place, as a figure, and the weight of the deviation's square.
  struct Aim {
    int figure = 0;
    double mean = 0;
    double weight = 0;
    bool free_below = false;
  };

  /// A place in a list of labels, each with what it is ranked by.
  using Ranked = std::vector<std::pair<double, int>>::const_iterator;

  std::size_t step_at(std::size_t i) const { return forward_ ? i : in_.graph.steps.size() - 1 - i; }
  bool has_choice(std::size_t k) const;
  bool on_the_way(std::size_t steps, std::size_t made, std::size_t hoped) const;
  std::size_t take_step();
  void begin();
  void look_ahead();
  void aim();
  double score(int label) const;
  void prepare(std::size_t k);
  void set_bound();
  void set_guards();
  void set_classes();
  double missing_base(const ClassRun& run, int event) const;
  void gather_moves(std::size_t k);
  void extend(std::size_t k);
  void extend_over(std::size_t k, std::size_t label, int row, int signature, int target);
  bool take_classes(const double* option);
  bool fits(int node) const;
  double on_grain(std::size_t other, double value) const;
  const double* rests(const Pricing& pricing) const;
  std::size_t place_of(int node) const;
  void keep_undominated(std::size_t most);
  void leave(Ranked first, Ranked end);
  void go_on_by_prices(std::size_t k);
  void plant(const std::vector<std::pair<double, int>>& labels);

  const LabelTask& in_;
  const UsageClasses& classes_;
  bool forward_;
  double stop_;
  double byte_limit_ = 0;
  double certain_stop_ = 0;  // reached whatever the rounding
  double goal_slack_ = 0;
  std::size_t done_ = 0;                  // steps
  std::vector<const RowBounds*> others_;  // those that others imply come last
  std::vector<double> other_grain_;
  int implied_ = 0;  // the last figures, which labels need not be better in
  Labels now_, next_;
  std::vector<std::size_t> widths_;         // labels after each step
  std::vector<std::vector<Trace>> traces_;  // after each step
  std::vector<DominanceTree> trees_;        // of each node
  std::vector<std::vector<int>> at_;        // of each node: its labels
  std::vector<int> place_;                  // of each label among those of its node
  std::vector<double> factor_;
  std::vector<std::pair<int, double>> weights_;  // the factors that are not 0, by figure
  double add_ = 0;
  const double* rest_ = nullptr;  // [node]: the least way on to the end of this direction
  std::vector<Guard> guards_;
  std::vector<Move> moves_;        // by signature
  std::vector<int> first_move_;    // of each signature, and one more
  std::vector<double> move_held_;  // [move x terms]
  std::vector<double> floor_;      // [class]: with less its limit is out of reach
  std::vector<double> room_;       // [class]: with more it is broken
  std::vector<double> held_;       // [term]: of the label and the cell
  std::vector<double> figures_;
  std::vector<std::vector<double>> range_ahead_;  // [other row][steps done]
  std::vector<char> priced_;  // [class]: whether it holds an event that has a price
  std::vector<double> left_;  // [node], in a sweep: the least way of the labels that were dropped
  double cap_ = std::numeric_limits<double>::infinity();  // the least bound of those
  std::vector<Aim> aims_;
  std::vector<double> whole_range_;  // [row]: before the first step
  double least_pruned_ = std::numeric_limits<double>::infinity();
  double least_lead_ = std::numeric_limits<double>::infinity();
  bool complete_ = true;
  bool dropped_ = false;
};

}  // namespace mpsearch::solver
