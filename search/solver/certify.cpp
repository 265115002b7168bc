#include <algorithm>
#include <cmath>

#include "search/solver/dual.h"
#include "search/solver/engine.h"
#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {
namespace {

constexpr int kSteps = 60;

}  // namespace

Certificate certify(const Problem& problem, const FrontierGraph& graph, Goal goal,
                    const KnownLimit& near, double enough, const Patience& patience) {
  Task task;
  task.goal.ms = goal == Goal::Ms ? 1 : 0;
  task.goal.sensitivity = goal == Goal::Sensitivity ? 1 : 0;
  task.bytes = problem.limits.bytes;
  task.events = problem.events;
  DualState state;
  const auto add = [&](int row, double weight) {
    state.rows.push_back(row);
    state.multiplier.push_back(std::max(0.0, weight) * task.scale(row));
    state.radius.push_back(std::max(0.1 * state.multiplier.back(), 1e-6));
  };
  const auto relaxed = [](double limit) { return limit + 1e-9 * std::fabs(limit); };
  if (problem.limits.ms) {
    task.others.push_back({{1, 0, {}}, relaxed(*problem.limits.ms)});
    add(task.events, near.ms - task.goal.ms);
  }
  if (problem.limits.sensitivity) {
    task.others.push_back({{0, 1, {}}, relaxed(*problem.limits.sensitivity)});
    add(task.events + static_cast<int>(task.others.size()) - 1,
        near.sensitivity - task.goal.sensitivity);
  }
  for (const auto& [event, weight] : near.events) add(event, weight);

  const Offsets offsets(graph);
  const View view = whole_view(graph, all_options(graph));
  Dual dual(graph, offsets, task, patience);
  dual.improve(state, view, kSteps, [enough](const Path&) { return enough; });
  Certificate certificate;
  const double bound = dual.evaluate(state.rows, state.multiplier, view);
  certificate.bound = bound - dual.rounding(state, bound);
  for (std::size_t r = 0; r < state.rows.size(); ++r) {
    const int row = state.rows[r];
    const double price = state.multiplier[r] / task.scale(row);
    if (row < task.events) {
      if (price > 0) certificate.events.push_back({row, price});
    } else if (row == task.events && problem.limits.ms) {
      certificate.ms = price;
    } else {
      certificate.sensitivity = price;
    }
  }
  std::ranges::sort(certificate.events, {}, &EventPrice::event);
  return certificate;
}

}  // namespace mpsearch::solver
