#include "search/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "search/solver/check.h"

namespace mpsearch {
namespace {

/// The choice with one layer changed.
struct Swap {
  Precision precision = Precision::FP32;
  double delta = 0;             // of the objective
  double other_delta = 0;       // of the other of (sensitivity, ms)
  std::int64_t over = 0;        // bytes above the budget; 0: it fits
  bool feasible = false;        // within every limit
  double cast_ms = 0;           // more time in casts than now
  std::int64_t cast_bytes = 0;  // more bytes in their copies than now, where the swap peaks
};

/// Bytes that copies made by casts hold at an event.
std::int64_t cast_bytes_at(const Evaluation& evaluation, int event) {
  std::int64_t bytes = 0;
  for (const LiveCopy& copy : evaluation.copies) {
    if (event < copy.live.first || event > copy.live.last) continue;
    const bool cast = std::ranges::any_of(evaluation.casts, [&](const PaidCast& paid) {
      return paid.tensor == copy.tensor && paid.to == copy.form && paid.event == copy.live.first;
    });
    if (cast) bytes += copy.live.bytes;
  }
  return bytes;
}

double ms_of_casts(const Evaluation& evaluation) {
  double ms = 0;
  for (const PaidCast& cast : evaluation.casts) ms += cast.ms;
  return ms;
}

std::vector<Swap> swaps_of(const BuiltProblem& built, const Problem& problem,
                           const std::vector<int>& choice, const Evaluation& now,
                           std::size_t layer) {  // of the problem
  const bool by_time = problem.objective == Objective::Ms;
  std::vector<Swap> swaps;
  for (std::size_t option = 0; option < built.options[layer].size(); ++option) {
    if (static_cast<int>(option) == choice[layer]) continue;
    std::vector<int> changed = choice;
    changed[layer] = static_cast<int>(option);
    const Evaluation evaluation = evaluate(problem, changed);
    const double ms = evaluation.ms - now.ms;
    const double sensitivity = evaluation.sensitivity - now.sensitivity;
    swaps.push_back({built.options[layer][option], by_time ? ms : sensitivity,
                     by_time ? sensitivity : ms,
                     std::max<std::int64_t>(0, evaluation.peak - problem.limits.bytes),
                     evaluation.allowed && violated_limit(problem, evaluation).empty(),
                     ms_of_casts(evaluation) - ms_of_casts(now),
                     cast_bytes_at(evaluation, evaluation.peak_event) -
                         cast_bytes_at(now, evaluation.peak_event)});
  }
  return swaps;
}

std::string objective_text(Objective objective, double delta) {
  return objective == Objective::Ms ? fmt::format("{:+.3g} ms", delta)
                                    : fmt::format("{:+.2e} sensitivity", delta);
}

/// Under `quality` a choice may be slower than another that fits: "; BF16 would save 0.5 ms at
/// +1.00e-06 sensitivity", for the least worse of those that save more than timing noise; only
/// " and save 0.5 ms" where `reason` has just said what that one would cost.
std::string faster_text(const Problem& problem, double step_ms, const std::vector<Swap>& swaps,
                        const std::string& reason) {
  constexpr double kTie = 0.03;  // of the step
  if (problem.objective == Objective::Ms) return {};
  const Swap* faster = nullptr;
  for (const Swap& swap : swaps) {
    if (!swap.feasible || swap.other_delta >= -kTie * step_ms) continue;
    if (faster == nullptr || swap.delta < faster->delta) faster = &swap;
  }
  if (faster == nullptr) return {};
  const std::string cost = objective_text(problem.objective, faster->delta);
  if (reason.ends_with(fmt::format("{} would cost {}", name_of(faster->precision), cost))) {
    return fmt::format(" and save {:.3g} ms", -faster->other_delta);
  }
  return fmt::format("; {} would save {:.3g} ms at {}", name_of(faster->precision),
                     -faster->other_delta, cost);
}

/// Only one precision was left: say what removed the others.
std::string forced(const Profiled& profiled, std::size_t layer) {
  for (const auto& [key, reason] : profiled.exclusions) {
    if (key.first == static_cast<LayerId>(layer) && reason.starts_with("pinned")) return reason;
  }
  for (const auto& [key, reason] : profiled.exclusions) {
    if (key.first == static_cast<LayerId>(layer)) {
      return fmt::format("{}: {}", name_of(key.second), reason);
    }
  }
  const std::vector<int>& decision = profiled.built.decision;
  return std::ranges::count(decision, decision[layer]) > 1
             ? "the only precision that the layers with its weights allow"
             : "its only precision";
}

std::string reason_of(const Profiled& profiled, const Problem& problem, std::size_t layer,
                      Precision chosen, const std::vector<Swap>& swaps) {
  if (swaps.empty()) return forced(profiled, layer);
  const Swap* tempting = nullptr;  // better in the objective, but not possible
  const Swap* next = nullptr;      // possible, and the least worse
  for (const Swap& swap : swaps) {
    if (!swap.feasible && swap.delta < 0 && (tempting == nullptr || swap.over < tempting->over)) {
      tempting = &swap;
    }
    if (swap.feasible && (next == nullptr || swap.delta < next->delta)) next = &swap;
  }
  if (tempting != nullptr && tempting->over > 0) {
    // Without the copies that its casts make it would fit.
    const std::string casts =
        tempting->cast_bytes >= tempting->over
            ? fmt::format(": casts hold {} of its peak", readable_bytes(tempting->cast_bytes))
            : "";
    return fmt::format("{} would exceed the budget by {}{}", name_of(tempting->precision),
                       readable_bytes(tempting->over), casts);
  }
  if (tempting != nullptr) return fmt::format("{} breaks a limit", name_of(tempting->precision));
  if (next == nullptr) return fmt::format("nothing but {} fits", name_of(chosen));
  if (next->delta < 0) {
    return fmt::format("{} would be better, but its arena does not pack into the budget",
                       name_of(next->precision));
  }
  if (problem.objective == Objective::Ms && next->delta > 0 && next->delta < next->cast_ms) {
    return fmt::format("cast cost: {} would save {:.3g} ms here and pay {:.3g} ms more for casts",
                       name_of(next->precision), next->cast_ms - next->delta, next->cast_ms);
  }
  if (next->delta != 0) {
    return fmt::format("best: {} would cost {}", name_of(next->precision),
                       objective_text(problem.objective, next->delta));
  }
  const Objective other =
      problem.objective == Objective::Ms ? Objective::Sensitivity : Objective::Ms;
  return fmt::format("a tie: {} would cost {}", name_of(next->precision),
                     objective_text(other, next->other_delta));
}

}  // namespace

std::string readable_bytes(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < std::size(kUnits)) {
    size /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", size, kUnits[unit]);
}

void explain_choices(const Profiled& profiled, const Problem& problem,
                     const std::vector<int>& choice, Plan& plan) {
  const Evaluation now = evaluate(problem, choice);
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    const std::vector<Swap> swaps =
        swaps_of(profiled.built, problem, choice, now,
                 static_cast<std::size_t>(profiled.built.decision[layer]));
    PlannedLayer& planned = plan.layers[layer];
    planned.reason = reason_of(profiled, problem, layer, planned.precision, swaps);
    planned.reason += faster_text(problem, now.ms, swaps, planned.reason);
    const auto best = std::ranges::min_element(swaps, {}, [](const Swap& swap) {
      return swap.feasible ? swap.delta : std::numeric_limits<double>::infinity();
    });
    if (best != swaps.end() && best->feasible) {
      planned.runner_up = RunnerUp{best->precision, best->delta};
    }
  }
}

}  // namespace mpsearch
