// What is left of the frontier graph for nodes of branch and bound to work on, and what hangs on
// it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "search/solver/dual.h"
#include "search/solver/label_search.h"
#include "search/solver/relaxation.h"
#include "search/solver/sweeps.h"

namespace mpsearch::solver {

struct Part {
  /// `task` is on the problem's rows.
  Part(FrontierGraph left, const std::vector<char>& allowed, Task task, const Patience& patience);
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  /// The classes of usage and where labels meet, once labels are to run through what `view` leaves.
  void place_labels(const View& view);
  /// How much of the graph `view` leaves, at most 1.
  double share_of(const View& view) const;

  /// Turns rows of the graph into rows of the problem.
  void number_as_problem(DualState& state) const;
  /// The other way. Paths that the graph does not hold go.
  void number_here(DualState& state) const;
  /// The same for paths of `before`; of those that the graph does not hold the mixed ones stay, as
  /// they were.
  void number_here(DualState& state, const Part& before) const;

  FrontierGraph graph;
  Task task;  // on the graph's rows
  Offsets offsets;
  View whole;
  Dual dual;
  Pricing goal;  // priced by the goal alone
  std::unique_ptr<UsageClasses> classes;
  std::optional<Cut> cut;
  std::unique_ptr<Relaxation> relaxation;
  std::unique_ptr<Sweeps> sweeps;

 private:
  void number_rows_here(DualState& state) const;
  bool holds(const std::vector<int>& choice) const;
  int run_of(int event) const;

  int problem_events_ = 0;
};

}  // namespace mpsearch::solver
