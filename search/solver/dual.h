// The Lagrangian dual: multipliers on the rows that matter, improved by box-stabilised cutting
// planes. Any multipliers give a valid bound; the dual looks for good ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <vector>

#include "search/solver/engine.h"
#include "search/solver/master.h"
#include "search/solver/paths.h"

namespace mpsearch::solver {

/// Rows 0..events-1 are the byte limit at that event; the others follow.
struct LimitRow {
  Functional functional;
  double limit = 0;
  bool implied = false;  // by the other limits, for every whole choice worth finding
};

/// What is minimised under which limits, over the paths of one graph. With `peak` it is the largest
/// usage of all events: a level between low_peak and high_peak that no event may exceed, `bytes`
/// being what is still worth finding.
struct Task {
  Functional goal;  // without events
  std::int64_t bytes = 0;
  bool peak = false;
  double low_peak = 0;
  double high_peak = 0;
  std::vector<LimitRow> others;
  int events = 0;

  double limit(int row) const {
    return row < events ? static_cast<double>(bytes) : others[row - events].limit;
  }
  double value(int row, const Path& path) const {
    return row < events ? static_cast<double>(path.usage[row])
                        : path.value(others[row - events].functional);
  }
  /// How far a path is over a row, in parts of its limit.
  double slope(int row, const Path& path) const {
    return (value(row, path) - limit(row)) / scale(row);
  }
  double goal_of(const Path& path) const {
    if (!peak) return path.value(goal);
    return static_cast<double>(*std::max_element(path.usage.begin(), path.usage.end()));
  }
  double scale(int row) const {
    const double size = peak && row < events ? std::fabs(low_peak) : std::fabs(limit(row));
    return size > 0 ? size : 1;
  }
  /// weight x the row, added to `sum`.
  void add_row(int row, double weight, Functional& sum) const;
};

/// Where the search for multipliers stands; children in branch and bound go on from a copy.
struct DualState {
  std::vector<int> rows;
  std::vector<double> multiplier;
  std::vector<double> radius;
  std::vector<std::shared_ptr<const Path>> paths;
  std::vector<double> weight;  // of the paths, in the last master solution
  double level = 0;            // the mixed level of the same solution, when the peak is minimised
};

struct DualResult {
  double bound = 0;  // at the state's multipliers; infinite when no path is left
  bool enough = false;
};

class Dual {
 public:
  Dual(const FrontierGraph& graph, const Offsets& offsets, const Task& task,
       const Patience& patience);

  /// Called with every path met; returns the bound that makes the caller stop (an incumbent's).
  using Meet = std::function<double(const Path&)>;

  /// At most `steps` evaluations from `state`, which takes the best multipliers found. Stops once
  /// the bound reaches what `meet` returns; then `enough` is true.
  DualResult improve(DualState& state, const View& view, int steps, const Meet& meet);

  /// The bound at given multipliers; `pricing()` then holds the prices.
  double evaluate(const std::vector<int>& rows, const std::vector<double>& multiplier,
                  const View& view);
  /// What must be subtracted from an evaluated bound to be safe from rounding.
  double rounding(const DualState& state, double bound) const;
  const Pricing& pricing() const { return pricing_; }
  Pricing& pricing() { return pricing_; }
  /// Sum of multiplier x limit, with the level that is worst: a path's bound is its price minus
  /// this.
  double constant(const std::vector<int>& rows, const std::vector<double>& multiplier) const;
  std::int64_t evaluations() const { return evaluations_; }

 private:
  MasterSolution master(DualState& state);
  static bool widen(DualState& state, const MasterSolution& next);
  int violated_row(const DualState& state) const;
  void add_row(DualState& state, int row, const View& view, const Meet& meet);
  void keep(DualState& state, Path path);

  const Task& task_;
  const Patience& patience_;
  Pricing pricing_;
  std::int64_t evaluations_ = 0;
  MasterBasis basis_;  // of the last master, while its paths last
};

}  // namespace mpsearch::solver
