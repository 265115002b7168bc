#include "search/confirm.h"

#include <algorithm>
#include <optional>
#include <set>

#include "runtime/prepared.h"
#include "search/solver/check.h"

namespace mpsearch {
namespace {

constexpr int kMostCuts = 20;
constexpr int kMostSteps = 32;
constexpr double kFirstStep = 1.0 / 2000;  // of the budget
constexpr double kStepGrowth = 1.25;

/// The picks of all layers that hold bytes at the choice's highest event.
std::vector<Pick> combination_at_peak(const Problem& problem, const std::vector<int>& choice) {
  const Evaluation evaluation = evaluate(problem, choice);
  const int event = evaluation.peak_event;
  const auto covers = [&](const ByteInterval& live) {
    return live.first <= event && event <= live.last && live.bytes != 0;
  };
  std::set<int> tensors;
  for (const LiveCopy& copy : evaluation.copies) {
    if (covers(copy.live)) tensors.insert(copy.tensor);
  }
  std::vector<Pick> picks;
  for (std::size_t i = 0; i < problem.layers.size(); ++i) {
    const ProblemLayer& layer = problem.layers[i];
    if (layer.options.size() < 2) continue;
    const ProblemOption& option = layer.options[static_cast<std::size_t>(choice[i])];
    const auto touches = [&](const TensorAccess& access) {
      return tensors.contains(access.tensor);
    };
    if (std::ranges::any_of(option.bytes, covers) || std::ranges::any_of(option.writes, touches) ||
        std::ranges::any_of(option.reads, touches)) {
      picks.push_back({static_cast<int>(i), choice[i]});
    }
  }
  return picks;
}

}  // namespace

std::int64_t arena_of(const Profiled& profiled, const PlanRequest& request,
                      std::span<const Precision> precision, const Backend& backend) {
  const Prepared prepared = prepare(
      profiled.model, scaled_options(request.training, request.loss_scale, precision), precision,
      [&](const KernelCall& call) { return choose_kernel(backend, profiled.speed.kernels, call); });
  return prepared.peak;
}

namespace {

/// What was cut off might have been better: only the bound of the whole problem holds.
void set_bound(Solution& solution, double bound) {
  solution.bound = bound;
  if (solution.choice.empty()) return;
  if (solution.objective > bound) solution.status = SolveStatus::Feasible;
  solution.gap = relative_gap(solution.objective, bound);
}

/// Solves under ever smaller limits until an answer's arena is within the true one. For answers
/// that pack badly in more combinations than can be cut off one by one.
Confirmed solve_below(const Profiled& profiled, const Problem& problem, Front& front,
                      const PlanRequest& request, const Backend& backend) {
  Confirmed confirmed;
  double limit = static_cast<double>(problem.limits.bytes);
  double step = kFirstStep * limit;
  for (int i = 0; i < kMostSteps; ++i, step *= kStepGrowth) {
    limit = std::max(0.0, limit - step);
    confirmed.solution = front.at(static_cast<std::int64_t>(limit));
    if (confirmed.solution.choice.empty()) return confirmed;
    confirmed.precision = profiled.built.precision_of(confirmed.solution.choice);
    confirmed.peak_bytes = arena_of(profiled, request, confirmed.precision, backend);
    if (confirmed.peak_bytes <= problem.limits.bytes) return confirmed;
  }
  confirmed.solution.status = SolveStatus::Unknown;
  confirmed.solution.choice.clear();
  return confirmed;
}

}  // namespace

Confirmed solve_confirmed(const Profiled& profiled, const Problem& problem, Front& front,
                          const PlanRequest& request, const Backend& backend) {
  SolveOptions options = request.solve;
  options.certify = false;
  Confirmed confirmed;
  std::optional<Certificate> certificate;  // of the whole problem, as is its bound
  bool cut = false;
  double bound = 0;
  for (int tries = 0; tries <= kMostCuts; ++tries) {
    confirmed.solution = cut ? solve(problem, options) : front.at(problem.limits.bytes);
    if (!cut) {
      bound = confirmed.solution.bound;
      certificate = std::move(confirmed.solution.certificate);
    }
    if (confirmed.solution.choice.empty()) {
      if (!cut) return confirmed;
      break;
    }
    confirmed.precision = profiled.built.precision_of(confirmed.solution.choice);
    confirmed.peak_bytes = arena_of(profiled, request, confirmed.precision, backend);
    if (confirmed.peak_bytes <= problem.limits.bytes) {
      if (cut) set_bound(confirmed.solution, bound);
      confirmed.solution.certificate = std::move(certificate);
      return confirmed;
    }
    std::vector<Pick> picks = combination_at_peak(problem, confirmed.solution.choice);
    if (picks.empty()) break;
    options.forbidden.push_back(std::move(picks));
    cut = true;
  }
  confirmed = solve_below(profiled, problem, front, request, backend);
  set_bound(confirmed.solution, bound);
  confirmed.solution.certificate = std::move(certificate);
  return confirmed;
}

namespace {

/// The problem with nothing but bytes to win: what is least then depends on no measured time or
/// score, and choices that hold little overall pack well. Unchanged where a limit needs these.
Problem of_bytes_alone(Problem problem) {
  if (problem.limits.ms || problem.limits.sensitivity) return problem;
  problem.objective = Objective::Sensitivity;
  for (ProblemLayer& layer : problem.layers) {
    for (ProblemOption& option : layer.options) {
      option.ms = 0;
      option.sensitivity = 0;
      for (const ByteInterval& live : option.bytes) {
        option.sensitivity += 1e-9 * static_cast<double>(live.bytes) *
                              static_cast<double>(live.last - live.first + 1);
      }
      option.sensitivity = std::max(0.0, option.sensitivity);
    }
  }
  return problem;
}

}  // namespace

Least least_confirmed(const Profiled& profiled, const Problem& problem, const PlanRequest& request,
                      const Backend& backend, std::int64_t enough) {
  const Problem bytes_alone = of_bytes_alone(problem);
  const LeastBudget least = least_budget(bytes_alone, request.solve);
  Least best;
  best.solution.status = least.status;
  if (least.choice.empty()) return best;
  best.solution.choice = least.choice;
  best.precision = profiled.built.precision_of(least.choice);
  best.peak_bytes = arena_of(profiled, request, best.precision, backend);
  // Padding may have put the arena above the live bytes: look for a choice that packs better. The
  // problem itself has the last word, so that no plan is found below what is called the least.
  std::optional<Front> fronts[2];
  const auto improve = [&](Problem tighter, std::optional<Front>& front) {
    tighter.limits.bytes = best.peak_bytes - 1;
    if (!front) front.emplace(tighter, request.solve);
    Confirmed found = solve_confirmed(profiled, tighter, *front, request, backend);
    if (found.solution.choice.empty()) return false;
    static_cast<Confirmed&>(best) = std::move(found);
    return true;
  };
  const auto decided = [&] { return best.peak_bytes <= enough || least.bound > enough; };
  while (best.peak_bytes > least.bytes && (enough == 0 || !decided()) &&
         (improve(bytes_alone, fronts[0]) || improve(problem, fronts[1]))) {
  }
  best.bound = least.bound;
  best.exact = best.peak_bytes == least.bound;
  return best;
}

}  // namespace mpsearch
