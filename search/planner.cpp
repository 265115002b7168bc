#include "search/planner.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "models/lower.h"
#include "runtime/prepared.h"
#include "search/bytes_alone.h"
#include "search/confirm.h"
#include "search/explain.h"
#include "search/profile_cache.h"
#include "search/proof.h"
#include "search/solver/check.h"

namespace mpsearch {
namespace {

/// A known plan stands in where it keeps the limits and cutting off arenas found none, or a worse
/// one.
void fall_back(const Problem& problem, const Confirmed& known, Confirmed& confirmed) {
  const Evaluation evaluation = evaluate(problem, known.solution.choice);
  if (known.peak_bytes > problem.limits.bytes || !violated_limit(problem, evaluation).empty())
    return;
  const double objective =
      problem.objective == Objective::Ms ? evaluation.ms : evaluation.sensitivity;
  if (!confirmed.solution.choice.empty() && confirmed.solution.objective <= objective) return;
  const double bound = confirmed.solution.bound;
  Confirmed fallen = known;
  Solution& solution = fallen.solution;
  solution.certificate = confirmed.solution.certificate;
  solution.status = SolveStatus::Feasible;
  solution.ms = evaluation.ms;
  solution.sensitivity = evaluation.sensitivity;
  solution.objective = objective;
  solution.bound = std::min(bound, objective);
  solution.gap = relative_gap(objective, solution.bound);
  confirmed = fallen;
}

Infeasible why_infeasible(const Profiled& profiled, const PlanRequest& request,
                          const Backend& backend, const Confirmed& least) {
  Infeasible answer;
  answer.least_budget_bytes = least.peak_bytes;
  if (least.precision.empty()) return answer;
  const PreparedGraph prepared = prepare_graph(
      training_graph(profiled.model,
                     scaled_options(request.training, request.loss_scale, least.precision)),
      least.precision,
      [&](const KernelCall& call) { return choose_kernel(backend, profiled.speed.kernels, call); });
  NodeId event = kNone;
  const Graph& graph = prepared.lowered.graph;
  answer.parts = parts_at_peak(graph, prepared.memory, &event);
  answer.limiting_event = graph.node(event).name;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Placement& place = prepared.memory.values[i];
    if (place.offset < 0 || place.bytes == 0 || event < place.first || event > place.last) continue;
    answer.tensors.emplace_back(graph.values[i].name, place.bytes);
  }
  std::ranges::stable_sort(answer.tensors, std::ranges::greater{},
                           &std::pair<std::string, std::int64_t>::second);
  return answer;
}

}  // namespace

TrainingOptions scaled_options(TrainingOptions options, const std::string& loss_scale,
                               std::span<const Precision> precision) {
  const bool half = std::ranges::find(precision, Precision::FP16) != precision.end();
  options.scaled = loss_scale != "off" && (half || loss_scale != "auto");
  return options;
}

std::int64_t budget_bytes(const Budget& budget, const Profiled& profiled) {
  if (budget.bytes > 0) return budget.bytes;
  const double ratio = budget.ratio > 0 ? budget.ratio : 1.0;
  return static_cast<std::int64_t>(
      std::floor(ratio * static_cast<double>(profiled.fp32_peak_bytes)));
}

Problem limited_problem(const Profiled& profiled, const PlanRequest& request, std::int64_t budget) {
  Problem problem = profiled.built.problem;
  problem.objective = request.objective;
  problem.limits.bytes = budget;
  if (request.max_time_ratio) problem.limits.ms = *request.max_time_ratio * profiled.fp32_step_ms;
  problem.limits.sensitivity = request.max_sensitivity;
  return problem;
}

namespace {

/// `front`: of the request's problem under any byte limit. `known`: a plan that is taken where it
/// is better, if any; becomes the answer's.
PlanAnswer plan_at(const Profiled& profiled, const PlanRequest& request, const Backend& backend,
                   Front& front, Confirmed& known) {
  PlanAnswer answer;
  answer.budget_bytes = budget_bytes(request.budget, profiled);
  const Problem problem = limited_problem(profiled, request, answer.budget_bytes);
  Confirmed confirmed = solve_confirmed(profiled, problem, front, request, backend);
  answer.interrupted = confirmed.solution.interrupted;
  answer.failure = confirmed.solution.failure;
  if (confirmed.solution.choice.empty()) {
    const bool stopped = confirmed.solution.status == SolveStatus::Unknown &&
                         (answer.interrupted || request.solve.time_limit > 0);
    const Confirmed least = least_confirmed(profiled, problem, request, backend);
    if (!least.solution.choice.empty()) fall_back(problem, least, confirmed);
    if (confirmed.solution.choice.empty() && stopped) return answer;
    if (confirmed.solution.choice.empty()) {
      answer.status = SolveStatus::Infeasible;
      answer.infeasible = why_infeasible(profiled, request, backend, least);
      return answer;
    }
  }
  if (!known.solution.choice.empty()) fall_back(problem, known, confirmed);
  known = confirmed;
  answer.status = confirmed.solution.status;
  answer.precision = confirmed.precision;
  answer.plan = describe_plan(profiled, request, backend, confirmed.precision);
  answer.plan.budget_bytes = answer.budget_bytes;
  answer.plan.status = name_of(confirmed.solution.status);
  answer.plan.objective = confirmed.solution.objective;
  answer.plan.bound = confirmed.solution.bound;
  answer.plan.gap = confirmed.solution.gap;
  answer.plan.chosen_by = "solver";
  record_certificate(problem, confirmed.solution, answer.plan);
  explain_choices(profiled, problem, confirmed.solution.choice, answer.plan);
  return answer;
}

Front front_of(const Profiled& profiled, const PlanRequest& request) {
  SolveOptions options = request.solve;
  options.certify = true;
  return Front(limited_problem(profiled, request, budget_bytes(request.budget, profiled)), options);
}

}  // namespace

PlanAnswer plan_within(const Profiled& profiled, const PlanRequest& request,
                       const Backend& backend) {
  Front front = front_of(profiled, request);
  Confirmed known;
  return plan_at(profiled, request, backend, front, known);
}

namespace {

/// The answer that bytes alone prove; empty where they do not.
std::optional<Planned> refused_by_bytes(Model model, const PlanRequest& request,
                                        const Backend& backend) {
  // A share of the FP32 peak is known only with the kernels that were measured.
  if (request.measure || request.budget.bytes == 0) return std::nullopt;
  restrict_layers(model, request.training, request.restrictions, backend);
  RecordedKernels kernels = ProfileCache(request.cache_dir).speed(backend.identity()).kernels;
  add_leanest(calls_of(training_graph(model, request.training)), backend, kernels);
  Planned planned{.profiled = profile_of_bytes(std::move(model), request, kernels, backend),
                  .answer = {}};
  const Profiled& profiled = planned.profiled;
  const Problem problem = unlimited_problem(profiled);
  const std::int64_t bound = least_budget(problem, request.solve).bound;
  if (bound <= request.budget.bytes) return std::nullopt;

  PlanAnswer& answer = planned.answer;
  answer.status = SolveStatus::Infeasible;
  answer.budget_bytes = request.budget.bytes;
  const Least least = least_confirmed(profiled, problem, request, backend, kFirstArena);
  answer.infeasible = why_infeasible(profiled, request, backend, least);
  answer.infeasible->by_bytes_alone = true;
  answer.infeasible->least_budget_bytes = bound;
  return planned;
}

}  // namespace

Planned plan_model(const Model& model, const PlanRequest& request, const Backend& backend,
                   const Dataset& data, const ProfileProgress& progress) {
  TrainingSettings settings;
  settings.data = data.label;
  settings.data_hash = data.content_hash();
  std::optional<Profiled> profiled = profile_from_cache(model, request, backend, settings);
  if (!profiled) {
    if (auto refused = refused_by_bytes(model, request, backend)) return std::move(*refused);
    profiled = profile_model(model, request, backend, data, progress);
  }
  PlanAnswer answer = plan_within(*profiled, request, backend);
  return {std::move(*profiled), std::move(answer)};
}

void plan_front(const Profiled& profiled, const PlanRequest& request,
                std::span<const std::int64_t> budgets, const Backend& backend,
                const std::function<bool(PlanAnswer)>& take) {
  PlanRequest at = request;
  Front front = front_of(profiled, request);
  Confirmed known;
  for (const std::int64_t bytes : budgets) {
    at.budget = {.bytes = bytes, .ratio = 0};
    if (!take(plan_at(profiled, at, backend, front, known))) return;
  }
}

RecordedKernels kernels_of(const Plan& plan) {
  RecordedKernels kernels;
  for (const PlannedKernel& kernel : plan.kernels) {
    kernels[kernel.key] = {kernel.algorithm, kernel.workspace_bytes, kernel.deterministic};
  }
  return kernels;
}

std::vector<Precision> precision_of(const Plan& plan, const Model& model) {
  const std::vector<Layer>& layers = model.graph.layers;
  const auto differs = [&](const std::string& why) {
    throw Error(ErrorKind::BadContent, {.what = "the plan does not belong to this model",
                                        .at = model.name,
                                        .why = why,
                                        .try_ = "mpsearch " + model.name + " makes a new plan"});
  };
  if (plan.layers.size() != layers.size()) {
    differs("the plan has " + std::to_string(plan.layers.size()) + " layers, the model " +
            std::to_string(layers.size()));
  }
  std::vector<Precision> precision;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (plan.layers[i].name != layers[i].name) {
      differs("layer " + std::to_string(i + 1) + " is '" + plan.layers[i].name +
              "' in the plan and '" + layers[i].name + "' in the model");
    }
    precision.push_back(plan.layers[i].precision);
  }
  return precision;
}

}  // namespace mpsearch
