#include "search/proof.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "models/stored/sha256.h"
#include "search/solver/certificate.h"
#include "search/solver/problem_json.h"

namespace mpsearch {
namespace {

constexpr std::string_view kEventRow = "bytes at event ";

/// The certificate that the rows spell; empty where a row is of no limit.
std::optional<Certificate> certificate_of(const Plan& plan) {
  Certificate certificate;
  certificate.bound = *plan.root_bound;
  for (const Multiplier& row : plan.multipliers) {
    if (row.row == "ms") {
      certificate.ms = row.value;
    } else if (row.row == "sensitivity") {
      certificate.sensitivity = row.value;
    } else if (row.row.starts_with(kEventRow)) {
      EventPrice price{0, row.value};
      const char* const end = row.row.data() + row.row.size();
      const auto [read, error] =
          std::from_chars(row.row.data() + kEventRow.size(), end, price.event);
      if (error != std::errc() || read != end) return std::nullopt;
      certificate.events.push_back(price);
    } else {
      return std::nullopt;
    }
  }
  return certificate;
}

/// Option indices of the plan's precisions; empty where the problem has no such option.
std::vector<int> choice_of(const Profiled& profiled, const Plan& plan) {
  const BuiltProblem& built = profiled.built;
  std::vector<Precision> precision = precision_of(plan, profiled.model);
  precision.resize(built.decision.size(), Precision::FP32);  // the loss, which training adds
  std::vector<int> choice(built.options.size(), 0);
  for (std::size_t i = 0; i < precision.size(); ++i) {
    const auto layer = static_cast<std::size_t>(built.decision[i]);
    const std::vector<Precision>& options = built.options[layer];
    const auto option = std::ranges::find(options, precision[i]);
    if (option == options.end()) return {};
    choice[layer] = static_cast<int>(option - options.begin());
  }
  if (built.precision_of(choice) != precision) return {};  // tied layers that differ
  return choice;
}

}  // namespace

void record_certificate(const Problem& problem, const Solution& solution, Plan& plan) {
  plan.solver_nodes = solution.nodes;
  plan.problem_sha256 = sha256_of(write_problem(problem));
  if (!solution.certificate) return;
  const Certificate& certificate = *solution.certificate;
  plan.root_bound = certificate.bound;
  for (const EventPrice& event : certificate.events) {
    plan.multipliers.push_back({std::string(kEventRow) + std::to_string(event.event), event.price});
  }
  if (certificate.ms != 0) plan.multipliers.push_back({"ms", certificate.ms});
  if (certificate.sensitivity != 0) {
    plan.multipliers.push_back({"sensitivity", certificate.sensitivity});
  }
}

PlanProof check_plan(const Profiled& profiled, PlanRequest request, const Plan& plan) {
  PlanProof proof;
  if (plan.problem_sha256.empty()) {
    proof.unchecked = "the plan was not made by the solver";
    return proof;
  }
  request.objective = plan.objective_name == "speed" ? Objective::Ms : Objective::Sensitivity;
  request.max_time_ratio = plan.max_time_ratio;
  request.max_sensitivity = plan.max_sensitivity;
  const Problem problem = limited_problem(profiled, request, plan.budget_bytes);
  if (sha256_of(write_problem(problem)) != plan.problem_sha256) {
    proof.unchecked =
        "the profile in the cache, or the plan's budget, is not the one it was made with";
    return proof;
  }
  const std::vector<int> choice = choice_of(profiled, plan);
  if (choice.empty()) {
    proof.fault = "the plan gives a layer a precision that the problem does not offer";
    return proof;
  }
  Claim claim{choice,
              plan.status == "optimal",
              plan.objective,
              plan.bound.value_or(plan.objective),
              plan.gap.value_or(0),
              std::nullopt};
  if (plan.root_bound) {
    claim.certificate = certificate_of(plan);
    if (!claim.certificate) {
      proof.fault = "a multiplier is of no limit of the problem";
      return proof;
    }
  }
  const CertificateCheck check = check_certificate(problem, claim);
  proof.fault = check.fault;
  proof.bound = check.bound;
  return proof;
}

}  // namespace mpsearch
