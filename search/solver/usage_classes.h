// What a partial choice must remember of its usage over events. Events between which no layer to
// come changes anything share one number, the greatest usage among them: a few numbers stand for
// all events, exactly. Used by the label search.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {

/// How one layer changes the classes: the value of a class after it is the greatest of its terms,
/// value[from] + bytes[segment] + base.
struct ClassTerm {
  int from = 0;
  int segment = 0;
  double base = 0;
};

/// A layer's choice holds constant bytes within each of its segments of events.
struct ClassStep {
  int segments = 0;
  std::vector<int> first_event;  // of each segment
  std::vector<double> own;       // [option x segments + segment]
  std::vector<double> cell;      // [cell x segments + segment]
  std::vector<int> first_term;   // of each class after the layer, and one more
  std::vector<ClassTerm> terms;
};

/// Consecutive events that share a class, up to the next run's first.
struct ClassRun {
  int first = 0;
  int index = 0;       // of the class
  bool based = false;  // the value includes the base of the event; else the base is to be added
};

/// The classes between two layers. The values of a class plus `least_ahead` (`most_ahead`) are the
/// least (greatest) usage that the choices to come may lead to at the worst of its events.
struct ClassBoundary {
  int classes = 0;
  std::vector<ClassRun> runs;
  std::vector<double> least_ahead;
  std::vector<double> most_ahead;
  std::vector<double> most_so_far;  // of classes that end at a cut: the greatest value
  /// The run that holds the event.
  const ClassRun& run_of(int event) const;
};

struct UsageClasses {
  /// Of all steps in their order.
  explicit UsageClasses(const FrontierGraph& graph);
  /// Of the steps from the last one down to `cut`, for choices that meet those of `forward` before
  /// the step `cut`: the events of each class of `forward` there keep a value of their own.
  UsageClasses(const FrontierGraph& graph, std::size_t cut, const UsageClasses& forward);
  /// Of all steps, from the first to the last or the other way; each event of `kept_apart` is a
  /// class of its own throughout.
  UsageClasses(const FrontierGraph& graph, bool forward, const std::vector<int>& kept_apart);
  /// Sets what is ahead of every boundary to what the `allowed` options (of all layers) hold.
  /// `before`: the graph's first steps, where these classes end at a cut.
  void look_ahead(const FrontierGraph& graph, const std::vector<char>& allowed,
                  std::span<const ClassStep> before = {});
  std::vector<std::size_t> order;  // the graph's step of each step
  std::vector<ClassStep> steps;
  std::vector<ClassBoundary> boundaries;  // before each step, and after the last
  std::vector<double> base;               // what every choice holds at each event

 private:
  void greatest_in_classes(const ClassBoundary& boundary, const std::vector<double>& values,
                           std::vector<double>& greatest) const;
};

}  // namespace mpsearch::solver
