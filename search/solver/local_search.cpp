// A last resort for problems on which every engine was stopped without a choice: improves uniform
// choices one layer at a time, judged by the checker.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "search/solver/check.h"
#include "search/solver/engine.h"

namespace mpsearch::solver {
namespace {

/// Choices looked at, and those for which there is time in any case once one is within the limits.
constexpr int kMostTrials = 6000;
constexpr int kMostTrialsLate = 1500;

/// Compared in this order: a missing cast, how far limits are exceeded, the objective.
using Worth = std::tuple<int, double, double>;

Worth worth_of(const Problem& problem, const std::vector<int>& choice) {
  const Evaluation evaluation = evaluate(problem, choice);
  if (!evaluation.allowed) return {1, 0, 0};
  const auto excess = [](double sum, double limit) {
    return std::max(0.0, sum - limit) / std::max(1e-300, std::fabs(limit));
  };
  double over =
      0;  // over all events: with the peak alone, two that are equally full would be stuck
  for (const std::int64_t bytes : evaluation.bytes)
    over += excess(static_cast<double>(bytes),
                   static_cast<double>(std::max<std::int64_t>(1, problem.limits.bytes)));
  if (problem.limits.ms && !within_limit(evaluation.ms, *problem.limits.ms))
    over += excess(evaluation.ms, *problem.limits.ms);
  if (problem.limits.sensitivity &&
      !within_limit(evaluation.sensitivity, *problem.limits.sensitivity))
    over += excess(evaluation.sensitivity, *problem.limits.sensitivity);
  return {0, over, problem.objective == Objective::Ms ? evaluation.ms : evaluation.sensitivity};
}

}  // namespace

std::vector<int> search_locally(const Problem& problem,
                                const std::vector<std::vector<Pick>>& forbidden,
                                const Patience& patience) {
  std::size_t most_options = 0;
  for (const ProblemLayer& layer : problem.layers)
    most_options = std::max(most_options, layer.options.size());
  std::vector<int> best;
  Worth best_worth;
  int trials = 0;
  const auto enough = [&] {
    const int missing_cast = std::get<0>(best_worth);
    const double over = std::get<1>(best_worth);
    const bool within = !best.empty() && missing_cast == 0 && over == 0;
    return trials >= kMostTrials || (within && trials >= kMostTrialsLate && patience.over());
  };
  const auto better = [&](const std::vector<int>& choice) {
    ++trials;
    if (!avoids(choice, forbidden)) return false;
    const Worth worth = worth_of(problem, choice);
    if (!best.empty() && worth >= best_worth) return false;
    best = choice;
    best_worth = worth;
    return true;
  };
  for (std::size_t o = 0; o < most_options && trials < kMostTrials / 4; ++o) {
    std::vector<int> uniform;
    for (const ProblemLayer& layer : problem.layers)
      uniform.push_back(static_cast<int>(std::min(o, layer.options.size() - 1)));
    better(uniform);
  }
  bool improved = !best.empty();
  while (improved && !enough()) {
    improved = false;
    for (std::size_t l = 0; l < problem.layers.size(); ++l)
      for (std::size_t o = 0; o < problem.layers[l].options.size() && !enough(); ++o) {
        std::vector<int> next = best;
        next[l] = static_cast<int>(o);
        improved = better(next) || improved;
      }
  }
  if (best.empty() || !violated_limit(problem, evaluate(problem, best)).empty()) return {};
  return best;
}

}  // namespace mpsearch::solver
