#include "search/solver/relaxation.h"

#include <algorithm>
#include <utility>

namespace mpsearch::solver {
namespace {

std::vector<int> events_of(const std::vector<int>& rows, const Task& task) {
  std::vector<int> events;
  for (const int row : rows)
    if (row < task.events) events.push_back(row);
  return events;
}

/// An item's changes at the events kept.
std::vector<UsageStep> at_events(const std::vector<UsageStep>& steps,
                                 const std::vector<int>& events) {
  std::vector<UsageStep> kept;
  std::size_t step = 0;
  for (std::size_t e = 0; e < events.size(); ++e) {
    std::int64_t change = 0;
    while (step < steps.size() && steps[step].event <= events[e]) change += steps[step++].bytes;
    if (change != 0) kept.push_back({static_cast<int>(e), change});
  }
  return kept;
}

}  // namespace

FrontierGraph Relaxation::keep_events(const FrontierGraph& graph, const std::vector<int>& events) {
  FrontierGraph out = graph;
  for (Item& item : out.items) item.steps = at_events(item.steps, events);
  out.start.steps = at_events(out.start.steps, events);
  out.base.clear();
  for (const int event : events) out.base.push_back(graph.base[event]);
  return out;
}

Relaxation::Relaxation(const FrontierGraph& graph, const Task& task, const std::vector<int>& rows,
                       std::size_t cut)
    : rows_(rows),
      graph_(keep_events(graph, events_of(rows, task))),
      task_(task),
      classes_(graph_),
      cut_{cut, UsageClasses(graph_, cut, classes_)} {
  task_.events = static_cast<int>(graph_.base.size());
  task_.others.clear();
  for (const int row : rows)
    if (row >= task.events) task_.others.push_back(task.others[row - task.events]);
}

bool Relaxation::holds(const DualState& state) const {
  for (std::size_t r = 0; r < state.rows.size(); ++r)
    if (state.multiplier[r] > 0 && !std::binary_search(rows_.begin(), rows_.end(), state.rows[r]))
      return false;
  return true;
}

LabelResult Relaxation::search(const Offsets& offsets, const View& view, const Pricing& goal,
                               const Pricing& priced, const DualState& state, double constant,
                               const std::vector<RowBounds>& bounds, double stop,
                               const LabelEffort& effort) {
  const auto renumbered = [&](int row) {
    const auto at = std::lower_bound(rows_.begin(), rows_.end(), row);
    return at != rows_.end() && *at == row ? static_cast<int>(at - rows_.begin()) : -1;
  };
  std::vector<int> rows;
  std::vector<double> multiplier;
  for (std::size_t r = 0; r < state.rows.size(); ++r) {
    if (state.multiplier[r] <= 0) continue;
    rows.push_back(renumbered(state.rows[r]));
    multiplier.push_back(state.multiplier[r]);
  }
  std::vector<RowBounds> kept;
  for (const RowBounds& row : bounds)
    if (const int number = renumbered(row.row); number >= 0) kept.push_back({number, row.pricing});
  classes_.look_ahead(graph_, view.allowed);
  cut_.classes.look_ahead(graph_, view.allowed, {classes_.steps.data(), cut_.step});
  const LabelTask task{graph_, offsets, classes_,   task_,    view, goal,
                       priced, rows,    multiplier, constant, kept};
  return label_join(task, cut_, stop, effort);
}

}  // namespace mpsearch::solver
