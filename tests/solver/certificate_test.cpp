#include "search/solver/certificate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "search/solver/solve.h"
#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch {
namespace {

/// The Lagrangian of one choice, event by event.
double priced(const Problem& problem, const Certificate& certificate,
              const std::vector<int>& choice) {
  const testing::ReferenceCost cost = testing::reference_cost(problem, choice);
  const bool by_ms = problem.objective == Objective::Ms;
  double sum = by_ms ? cost.ms : cost.sensitivity;
  for (const EventPrice& event : certificate.events)
    sum += event.price * static_cast<double>(cost.bytes[event.event] - problem.limits.bytes);
  if (problem.limits.ms) sum += certificate.ms * (cost.ms - *problem.limits.ms * (1 + 1e-9));
  if (problem.limits.sensitivity)
    sum += certificate.sensitivity * (cost.sensitivity - *problem.limits.sensitivity * (1 + 1e-9));
  return sum;
}

Certificate random_multipliers(const Problem& problem, testing::RandomProblem& random) {
  Certificate certificate;
  for (int event = 0; event < problem.events; ++event)
    if (random.chance(0.25)) certificate.events.push_back({event, random.between(1, 400) / 1000.0});
  if (problem.limits.ms) certificate.ms = random.between(0, 30) / 10.0;
  if (problem.limits.sensitivity) certificate.sensitivity = random.between(0, 30) / 10.0;
  return certificate;
}

bool few_choices(const Problem& problem) {
  double choices = 1;
  for (const ProblemLayer& layer : problem.layers)
    choices *= static_cast<double>(layer.options.size());
  return choices <= 2000;
}

TEST(Certificate, TheBoundIsTheLeastLagrangianOfAllChoices) {
  int finite = 0;
  for (std::uint64_t seed = 1; finite < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomProblem random(seed);
    Problem problem = random.draw();
    if (!few_choices(problem)) continue;
    problem.limits.bytes = random.between(0, 300);
    (random.chance(0.5) ? problem.limits.ms : problem.limits.sensitivity) = random.between(1, 60);
    const Certificate certificate = random_multipliers(problem, random);
    double least = std::numeric_limits<double>::infinity();
    testing::for_each_choice(problem,
                             [&](const std::vector<int>& choice, const testing::ReferenceCost&) {
                               least = std::min(least, priced(problem, certificate, choice));
                             });
    const std::optional<double> bound = lagrangian_bound(problem, certificate);
    ASSERT_TRUE(bound.has_value());
    if (std::isinf(least)) {
      ASSERT_EQ(*bound, least);
      continue;
    }
    ++finite;
    ASSERT_NEAR(*bound, least, 1e-9 * (1 + std::fabs(least)));
  }
}

/// A problem whose budget binds, solved, with its claim.
struct Solved {
  Problem problem;
  Solution solution;

  Claim claim() const {
    return {solution.choice,    solution.status == SolveStatus::Optimal,
            solution.objective, solution.bound,
            solution.gap,       solution.certificate};
  }
};

Solved solved(std::uint64_t seed) {
  testing::RandomProblem random(seed, 12);
  Solved out{random.draw(), {}};
  const LeastBudget least = least_budget(out.problem);
  out.problem.limits.bytes = least.bytes + random.between(0, 20);
  if (least.choice.empty()) return out;
  out.solution = solve(out.problem, {.certify = true});
  return out;
}

TEST(Certificate, EveryAnswersHolds) {
  int answered = 0;
  int priced_events = 0;
  double closed = 0;
  for (std::uint64_t seed = 1; answered < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Solved it = solved(seed);
    if (it.solution.choice.empty()) continue;
    ++answered;
    ASSERT_TRUE(it.solution.certificate.has_value());
    priced_events += static_cast<int>(it.solution.certificate->events.size());
    const CertificateCheck check = check_certificate(it.problem, it.claim());
    ASSERT_EQ(check.fault, "");
    ASSERT_TRUE(check.bound.has_value());
    ASSERT_LE(*check.bound, it.solution.objective + 1e-9 * (1 + std::fabs(it.solution.objective)));
    // What the engine says that its multipliers prove is what they prove.
    ASSERT_NEAR(it.solution.certificate->bound, *check.bound, 1e-9 * (1 + std::fabs(*check.bound)));
    // Prices of nothing prove less than those found.
    const double free = *lagrangian_bound(it.problem, {});
    if (it.solution.objective - free > 1e-6)
      closed += (*check.bound - free) / (it.solution.objective - free);
  }
  EXPECT_GE(priced_events, 100);
  EXPECT_GE(closed, 50);
}

TEST(Certificate, AFalsifiedClaimIsRefused) {
  int refused = 0;
  for (std::uint64_t seed = 1; refused < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Solved it = solved(seed);
    if (it.solution.choice.empty() || it.solution.certificate->events.empty()) continue;
    ++refused;
    const double size = 1 + std::fabs(it.solution.objective);
    const auto fault = [&](auto change) {
      Claim claim = it.claim();
      change(claim);
      return check_certificate(it.problem, claim).fault;
    };
    EXPECT_EQ(fault([](Claim&) {}), "");
    EXPECT_NE(fault([&](Claim& c) { c.objective -= 1e-3 * size; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.bound += 1e-3 * size; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.bound -= 1e-3 * size; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.gap += 1e-3; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.certificate->bound += 1e-3 * size; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.certificate->events[0].price *= -1; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.certificate->events[0].price = NAN; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.certificate->events[0].event = it.problem.events; }), "");
    EXPECT_NE(fault([&](Claim& c) { c.certificate->events.push_back(c.certificate->events[0]); }),
              "");
    // Bytes that cost a thousand times as much prove another bound, and a worse one.
    const Certificate& good = *it.solution.certificate;
    Certificate other = good;
    for (EventPrice& event : other.events) event.price *= 1000;
    if (*lagrangian_bound(it.problem, other) < good.bound - 1e-6 * size) {
      EXPECT_NE(fault([&](Claim& c) { c.certificate = other; }), "");
    }
  }
}

TEST(Certificate, AChoiceOverTheBudgetIsRefused) {
  const Solved it = solved(3);
  ASSERT_FALSE(it.solution.choice.empty());
  Problem tighter = it.problem;
  tighter.limits.bytes = it.solution.peak_bytes - 1;
  EXPECT_NE(check_certificate(tighter, it.claim()).fault.find("exceed the limit"),
            std::string::npos);
}

}  // namespace
}  // namespace mpsearch
