#include "search/solver/part.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mpsearch::solver {
Part::Part(FrontierGraph left, const std::vector<char>& allowed, Task of_problem,
           const Patience& patience)
    : graph(std::move(left)),
      task(std::move(of_problem)),
      offsets(graph),
      whole(whole_view(graph, allowed)),
      dual(graph, offsets, task, patience),
      goal(graph, offsets),
      problem_events_(task.events) {
  task.events = static_cast<int>(graph.base.size());
  for (LimitRow& row : task.others)
    for (auto& [event, weight] : row.functional.events) event = run_of(event);
  goal.price(task.goal, whole);
}

/// Labels from both ends meet where as many choices lie before as behind.
void Part::place_labels(const View& view) {
  if (classes) return;
  classes = std::make_unique<UsageClasses>(graph);
  if (task.peak) return;
  std::vector<double> before = {0};
  for (const Step& step : graph.steps) {
    const char* const allowed = view.allowed.data() + step.first_option;
    const auto free = std::count(allowed, allowed + step.own.size(), 1);
    before.push_back(before.back() + std::log2(static_cast<double>(std::max<long>(1, free))));
  }
  std::size_t at = 0;
  while (2 * before[at] < before.back()) ++at;
  if (at == 0 || at == graph.steps.size()) return;
  cut = Cut{at, UsageClasses(graph, at, *classes)};
}

double Part::share_of(const View& view) const {
  std::int64_t left = 0;
  for (std::size_t k = 0; k < graph.steps.size(); ++k) {
    const Step& step = graph.steps[k];
    std::vector<char> used(step.signatures, 0);
    for (std::size_t o = 0; o < step.own.size(); ++o)
      if (view.allowed[step.first_option + o] != 0) used[step.signature_of[o]] = 1;
    const int* to = view.to.data() + offsets.arc[k];
    for (int n = 0; n < step.nodes; ++n, to += step.signatures)
      for (int s = 0; s < step.signatures; ++s) left += static_cast<int>(to[s] >= 0) & used[s];
  }
  return static_cast<double>(left) / static_cast<double>(std::max<std::int64_t>(1, graph.arcs));
}

/// The graph's event that an event of the problem is part of.
int Part::run_of(int event) const { return static_cast<int>(run_at(graph.events, event)); }

void Part::number_as_problem(DualState& state) const {
  for (int& row : state.rows)
    row = row < task.events ? graph.events[row].fullest : row - task.events + problem_events_;
}

void Part::number_rows_here(DualState& state) const {
  std::vector<int> rows;
  std::vector<double> multiplier;
  std::vector<double> radius;
  for (std::size_t r = 0; r < state.rows.size(); ++r) {
    const int row = state.rows[r] < problem_events_ ? run_of(state.rows[r])
                                                    : state.rows[r] - problem_events_ + task.events;
    const auto at =
        static_cast<std::size_t>(std::find(rows.begin(), rows.end(), row) - rows.begin());
    if (at == rows.size()) {
      rows.push_back(row);
      multiplier.push_back(0);
      radius.push_back(0);
    }
    multiplier[at] += state.multiplier[r];
    radius[at] = std::max(radius[at], state.radius[r]);
  }
  state.rows = std::move(rows);
  state.multiplier = std::move(multiplier);
  state.radius = std::move(radius);
}

void Part::number_here(DualState& state) const {
  number_rows_here(state);
  std::size_t kept = 0;
  for (std::size_t p = 0; p < state.paths.size(); ++p)
    if (holds(state.paths[p]->choice))
      state.paths[kept++] = std::make_shared<const Path>(path_of(graph, state.paths[p]->choice));
  state.paths.resize(kept);
  state.weight.clear();
}

void Part::number_here(DualState& state, const Part& before) const {
  number_rows_here(state);
  const auto here = [&](const Path& path) {
    if (holds(path.choice)) return path_of(graph, path.choice);
    Path moved = path;
    moved.usage.clear();
    for (const EventRun& run : graph.events)
      moved.usage.push_back(path.usage[before.run_of(run.fullest)]);
    return moved;
  };
  std::vector<std::shared_ptr<const Path>> paths;
  std::vector<double> weight;
  for (std::size_t p = 0; p < state.weight.size(); ++p)
    if (state.weight[p] > 0) {
      paths.push_back(std::make_shared<const Path>(here(*state.paths[p])));
      weight.push_back(state.weight[p]);
    }
  for (std::size_t p = 0; p < state.paths.size(); ++p)
    if (!(p < state.weight.size() && state.weight[p] > 0) && holds(state.paths[p]->choice))
      paths.push_back(std::make_shared<const Path>(path_of(graph, state.paths[p]->choice)));
  state.paths = std::move(paths);
  state.weight = std::move(weight);
}

/// Whether a choice is a path of the graph.
bool Part::holds(const std::vector<int>& choice) const {
  int node = 0;
  for (std::size_t l = 0; l < choice.size(); ++l)
    if (graph.settled[l] >= 0 && graph.settled[l] != choice[l]) return false;
  for (const Step& step : graph.steps) {
    const int signature = step.signature_of[choice[step.layer]];
    if (signature < 0) return false;
    node = step.to[static_cast<std::size_t>(node) * step.signatures + signature];
    if (node < 0) return false;
  }
  return true;
}

}  // namespace mpsearch::solver
