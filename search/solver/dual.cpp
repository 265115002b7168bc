#include "search/solver/dual.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace mpsearch::solver {
namespace {

constexpr std::size_t kMostPaths = 80;

}  // namespace

void Task::add_row(int row, double weight, Functional& sum) const {
  if (weight == 0) return;
  if (row < events) {
    sum.events.emplace_back(row, weight);
    return;
  }
  const Functional& other = others[row - events].functional;
  sum.ms += weight * other.ms;
  sum.sensitivity += weight * other.sensitivity;
  for (const auto& [event, factor] : other.events) sum.events.emplace_back(event, weight * factor);
}

Dual::Dual(const FrontierGraph& graph, const Offsets& offsets, const Task& task,
           const Patience& patience)
    : task_(task), patience_(patience), pricing_(graph, offsets) {}

double Dual::constant(const std::vector<int>& rows, const std::vector<double>& multiplier) const {
  double sum = 0;
  double on_level = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double weight = multiplier[r] / task_.scale(rows[r]);
    if (task_.peak && rows[r] < task_.events)
      on_level += weight;
    else
      sum += weight * task_.limit(rows[r]);
  }
  if (task_.peak) sum += (on_level - 1) * (on_level > 1 ? task_.high_peak : task_.low_peak);
  return sum;
}

double Dual::evaluate(const std::vector<int>& rows, const std::vector<double>& multiplier,
                      const View& view) {
  Functional functional = task_.goal;
  for (std::size_t r = 0; r < rows.size(); ++r)
    task_.add_row(rows[r], multiplier[r] / task_.scale(rows[r]), functional);
  ++evaluations_;
  pricing_.price(functional, view);
  return pricing_.least() - constant(rows, multiplier);
}

double Dual::rounding(const DualState& state, double bound) const {
  double size = std::fabs(bound);
  for (const double m : state.multiplier) size += m;
  return 1e-12 * size;
}

MasterSolution Dual::master(DualState& state) {
  MasterProblem problem;
  const auto add = [&](const Path& path, double value, double level) {
    problem.value.push_back(value);
    for (const int row : state.rows)
      problem.slope.push_back(task_.peak && row < task_.events
                                  ? (task_.value(row, path) - level) / task_.scale(row)
                                  : task_.slope(row, path));
  };
  for (const std::shared_ptr<const Path>& path : state.paths) {
    if (!task_.peak) {
      add(*path, path->value(task_.goal), 0);
      continue;
    }
    add(*path, task_.low_peak, task_.low_peak);
    add(*path, task_.high_peak, task_.high_peak);
  }
  for (std::size_t r = 0; r < state.rows.size(); ++r) {
    problem.low.push_back(std::max(0.0, state.multiplier[r] - state.radius[r]));
    problem.high.push_back(state.multiplier[r] + state.radius[r]);
  }
  MasterSolution solution = solve_master(problem, basis_);
  state.weight = solution.weight;
  if (!task_.peak) return solution;
  state.level = 0;
  for (std::size_t k = 0; k < state.paths.size(); ++k) {
    state.level += solution.weight[2 * k] * task_.low_peak;
    state.level += solution.weight[2 * k + 1] * task_.high_peak;
    state.weight[k] = solution.weight[2 * k] + solution.weight[2 * k + 1];
  }
  state.weight.resize(state.paths.size());
  return solution;
}

int Dual::violated_row(const DualState& state) const {
  std::vector<double> usage(task_.events, 0);
  for (std::size_t k = 0; k < state.paths.size(); ++k) {
    if (state.weight[k] <= 0) continue;
    for (int e = 0; e < task_.events; ++e)
      usage[e] += state.weight[k] * static_cast<double>(state.paths[k]->usage[e]);
  }
  int worst = -1;
  double most = 1e-7;
  for (int row = 0; row < task_.events + static_cast<int>(task_.others.size()); ++row) {
    double over = 0;
    if (row < task_.events) {
      over = (usage[row] - (task_.peak ? state.level : task_.limit(row))) / task_.scale(row);
    } else {
      for (std::size_t k = 0; k < state.paths.size(); ++k)
        if (state.weight[k] > 0) over += state.weight[k] * task_.slope(row, *state.paths[k]);
    }
    if (over <= most || std::count(state.rows.begin(), state.rows.end(), row) > 0) continue;
    most = over;
    worst = row;
  }
  return worst;
}

/// The path that asks least of the row shows what the row's multiplier is worth at most on average:
/// the scale of the first steps. The path itself bounds the multiplier.
void Dual::add_row(DualState& state, int row, const View& view, const Meet& meet) {
  Functional alone;
  task_.add_row(row, 1, alone);
  ++evaluations_;
  pricing_.price(alone, view);
  Path least = pricing_.path(view);
  meet(least);
  double cost = 0;
  double relief = 0;
  for (std::size_t k = 0; k < state.paths.size(); ++k) {
    if (state.weight[k] <= 0) continue;
    cost += state.weight[k] * (least.value(task_.goal) - state.paths[k]->value(task_.goal));
    relief += state.weight[k] * (task_.slope(row, *state.paths[k]) - task_.slope(row, least));
  }
  state.rows.push_back(row);
  state.multiplier.push_back(0);
  if (task_.peak)
    state.radius.push_back(0.5 * task_.scale(row));
  else
    state.radius.push_back(cost > 0 && relief > 0 ? 0.3 * cost / relief : 1);
  keep(state, std::move(least));
}

void Dual::keep(DualState& state, Path path) {
  while (state.paths.size() >= kMostPaths) {
    std::size_t victim = 0;
    for (std::size_t k = 0; k < state.weight.size() && k + 1 < state.paths.size(); ++k)
      if (state.weight[k] <= 0) {
        victim = k;
        break;
      }
    basis_.clear();
    state.paths.erase(state.paths.begin() + static_cast<std::ptrdiff_t>(victim));
    if (victim < state.weight.size())
      state.weight.erase(state.weight.begin() + static_cast<std::ptrdiff_t>(victim));
  }
  state.paths.push_back(std::make_shared<const Path>(std::move(path)));
}

/// Widens the box where the master's solution lies on its border; false when nowhere.
bool Dual::widen(DualState& state, const MasterSolution& next) {
  bool any = false;
  for (std::size_t r = 0; r < state.rows.size(); ++r) {
    const double moved = next.multiplier[r] - state.multiplier[r];
    if (std::fabs(moved) < state.radius[r] * (1 - 1e-9) || next.multiplier[r] <= 0) continue;
    state.radius[r] *= 3;
    any = true;
  }
  return any;
}

DualResult Dual::improve(DualState& state, const View& view, int steps, const Meet& meet) {
  double best = evaluate(state.rows, state.multiplier, view);
  if (std::isinf(best)) return {best, true};
  basis_.clear();
  const auto take_path = [&] {
    Path path = pricing_.path(view);
    const double stop = meet(path);
    keep(state, std::move(path));
    return stop;
  };
  const double first = best;
  double stop = take_path();
  int poor_steps = 0;
  for (int step = 0; step < steps && best - rounding(state, best) < stop; ++step) {
    if (patience_.over()) break;
    MasterSolution next = master(state);
    const double worth = std::min(stop - best, std::max(std::fabs(best), 1e-6 * (stop - best)));
    const double little = std::max(1e-4 * worth, 1e-11 * std::fabs(best));
    // Little hope within the box says nothing of what lies outside.
    for (int i = 0; i < 12 && next.theta - best <= little && widen(state, next); ++i)
      next = master(state);
    if (next.theta - best <= std::max(little, 0.05 * (best - first))) {
      const int row = violated_row(state);
      if (row < 0 && next.theta - best <= little) break;
      if (row >= 0) {
        add_row(state, row, view, meet);
        next = master(state);
      }
    }
    const double hope = next.theta - best;
    const double bound = evaluate(state.rows, next.multiplier, view);
    stop = take_path();
    if (bound > best) {
      if (bound > best + 0.5 * hope) widen(state, next);
      state.multiplier = next.multiplier;
      best = bound;
      poor_steps = 0;
    } else if (++poor_steps >= 3 || best - bound > 3 * hope) {
      const double shrink = std::clamp((best - bound) / std::max(hope, 1e-300), 2.0, 4.0);
      for (double& r : state.radius) r /= shrink;
      poor_steps = 0;
    }
  }
  return {best, best - rounding(state, best) >= stop};
}

}  // namespace mpsearch::solver
