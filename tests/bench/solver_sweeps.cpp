#include "tests/bench/solver_sweeps.h"

#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "search/solver/check.h"
#include "search/solver/child.h"
#include "search/solver/solve.h"
#include "tests/bench/solver_instances.h"
#include "tests/support/solver_random.h"

namespace mpsearch::bench {
namespace {

constexpr int kFamilies = 5;

/// Of this process, and of those that CBC ran in.
double cpu() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC + solver::seconds_of_children();
}

std::atomic<bool> time_is_up{false};

/// What solving one problem under many byte limits came to.
struct Sweep {
  int solved = 0;
  int proven = 0;
  int over = 0;    // choices that break a limit, by the independent checker
  int dearer = 0;  // objectives that rise with the budget
};

Problem unlimited(Problem problem) {
  problem.limits.bytes = std::int64_t{1} << 50;
  return problem;
}

/// `count` byte limits from the least that is feasible to the most that makes a difference; empty
/// where nothing is feasible.
std::vector<std::int64_t> budgets_of(const Problem& problem, int count,
                                     const SolveOptions& options) {
  const LeastBudget least = least_budget(problem, options);
  if (least.choice.empty()) return {};
  const Solution loose = solve(unlimited(problem), options);
  const auto room = static_cast<double>(std::max<std::int64_t>(0, loose.peak_bytes - least.bytes));
  std::vector<std::int64_t> budgets;
  for (int i = 0; i < count; ++i)
    budgets.push_back(least.bytes + static_cast<std::int64_t>(room * i / std::max(1, count - 1)));
  return budgets;
}

void check_front(Problem problem, const std::vector<std::int64_t>& budgets,
                 const std::vector<Solution>& front, Sweep& sum) {
  double before = INFINITY;
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    const Solution& solution = front[i];
    if (solution.choice.empty()) continue;
    problem.limits.bytes = budgets[i];
    ++sum.solved;
    sum.proven += static_cast<int>(solution.status == SolveStatus::Optimal);
    if (!violated_limit(problem, evaluate(problem, solution.choice)).empty()) ++sum.over;
    if (solution.objective > before + 2e-9 * std::fabs(before)) ++sum.dearer;
    before = solution.objective;
  }
}

void sweep(const Problem& problem, int count, const SolveOptions& options, Sweep& sum) {
  const std::vector<std::int64_t> budgets = budgets_of(problem, count, options);
  check_front(problem, budgets, solve_front(problem, budgets, options), sum);
}

InstanceSpec spec_of(int family, int layers, bool repeated, std::uint64_t seed) {
  return {static_cast<Family>(family), layers, repeated, false, seed};
}

const char* verdict(bool holds) { return holds ? "holds" : "MISSED"; }

}  // namespace

Solution solve_in_cpu_time(const Problem& problem, SolveOptions options, double limit,
                           double& seconds) {
  time_is_up = false;
  std::signal(SIGPROF, [](int) { time_is_up = true; });
  const auto micros = static_cast<long>(limit * 1e6);
  const itimerval timer{{0, 0}, {micros / 1000000, micros % 1000000}};
  setitimer(ITIMER_PROF, &timer, nullptr);
  options.stop = &time_is_up;
  const double start = cpu();
  Solution solution = solve(problem, options);
  seconds = cpu() - start;
  const itimerval off{};
  setitimer(ITIMER_PROF, &off, nullptr);
  return solution;
}

bool run_sweep() {
  Sweep sum;
  for (int family = 0; family < kFamilies; ++family)
    sweep(draw_instance(spec_of(family, 60, true, 1)), 100, {.node_limit = 2000}, sum);
  const bool holds = sum.over == 0 && sum.dearer == 0;
  std::printf("sweep: repeated blocks, 60 layers, seed 1 of each family, 100 budgets each\n");
  std::printf("          %s: 0 over budget (%d), 0 dearer with more memory (%d) of %d, %d proven\n",
              verdict(holds), sum.over, sum.dearer, sum.solved, sum.proven);
  std::fflush(stdout);
  return holds;
}

std::vector<NamedProblem> front_problems() {
  std::vector<NamedProblem> problems;
  for (int family = 0; family < kFamilies; ++family)
    for (const std::uint64_t seed : {1, 2}) {
      const InstanceSpec spec = spec_of(family, 60, true, seed);
      problems.push_back(
          {name_of(spec.family) + ("-60-" + std::to_string(seed)), draw_instance(spec)});
    }
  return problems;
}

bool run_front(const std::vector<NamedProblem>& problems, bool each) {
  std::vector<double> seconds;
  Sweep sum;
  for (const auto& [name, problem] : problems) {
    const SolveOptions options{.node_limit = 2000};
    const std::vector<std::int64_t> budgets = budgets_of(problem, 20, options);
    Sweep here;
    const auto start = std::chrono::steady_clock::now();
    const std::vector<Solution> front = solve_front(problem, budgets, options);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    seconds.push_back(spent.count());
    check_front(problem, budgets, front, here);
    if (each)
      std::printf("  %-28s %.3f s, %d of %d points proven\n", name.c_str(), seconds.back(),
                  here.proven, here.solved);
    sum.solved += here.solved;
    sum.proven += here.proven;
    sum.over += here.over;
    sum.dearer += here.dearer;
  }
  if (seconds.empty()) return true;
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  const auto in_time = std::ranges::count_if(seconds, [](double s) { return s <= 1; });
  const bool holds = median <= 1 && sum.over == 0 && sum.dearer == 0;
  std::printf(
      "          %s: <= 1 s in the median (%.3f s; %d of %zu fronts <= 1 s, worst %.2f s; %d of %d "
      "points proven, %d over budget, %d dearer with more memory)\n",
      verdict(holds), median, static_cast<int>(in_time), seconds.size(), seconds.back(), sum.proven,
      sum.solved, sum.over, sum.dearer);
  std::fflush(stdout);
  return holds;
}

bool run_random() {
  Sweep sum;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    testing::RandomProblem random(seed + 700000, 12, 5);
    sweep(random.draw(), 3, {}, sum);
  }
  const bool holds = sum.over == 0 && sum.dearer == 0 && sum.proven == sum.solved;
  std::printf("random: 1,000 random graphs (seeds 700001 to 701000) at three budgets each\n");
  std::printf("          %s: 0 over budget (%d), 0 dearer with more (%d), all proven (%d of %d)\n",
              verdict(holds), sum.over, sum.dearer, sum.proven, sum.solved);
  std::fflush(stdout);
  return holds;
}

std::vector<NamedProblem> peer_problems() {
  std::vector<NamedProblem> problems;
  for (int family = 0; family < kFamilies; ++family)
    for (const int layers : {20, 40, 60})
      for (const std::uint64_t seed : {1, 2}) {
        const InstanceSpec spec = spec_of(family, layers, false, seed);
        problems.push_back(
            {name_of(spec.family) + ("-" + std::to_string(layers)) + "-" + std::to_string(seed),
             draw_instance(spec)});
      }
  return problems;
}

std::vector<NamedProblem> at_three_budgets(const std::vector<NamedProblem>& problems) {
  std::vector<NamedProblem> out;
  for (const auto& [name, problem] : problems) {
    const std::vector<std::int64_t> budgets = budgets_of(problem, 5, {.node_limit = 2000});
    for (std::size_t i = 1; i + 1 < budgets.size(); ++i) {
      NamedProblem at{name + "-" + std::to_string(25 * i) + "%", problem};
      at.problem.limits.bytes = budgets[i];
      out.push_back(std::move(at));
    }
  }
  return out;
}

namespace {

/// Neither engine's bound may exceed what the other found, and two proofs must agree.
bool agree(const Solution& a, const Solution& b) {
  const bool both = a.status == SolveStatus::Optimal && b.status == SolveStatus::Optimal;
  const bool proven = a.status != SolveStatus::Feasible && a.status != SolveStatus::Unknown &&
                      b.status != SolveStatus::Feasible && b.status != SolveStatus::Unknown;
  if (proven && a.status != b.status) return false;
  if (a.choice.empty() || b.choice.empty()) return true;
  const double slack = 1e-6 * std::max(std::fabs(a.objective), std::fabs(b.objective));
  if (both && std::fabs(a.objective - b.objective) > slack) return false;
  return a.bound <= b.objective + slack && b.bound <= a.objective + slack;
}

}  // namespace

bool run_peer(const std::vector<NamedProblem>& problems, double limit, bool each) {
  int compared = 0;
  int died = 0;
  int unequal = 0;
  std::vector<double> ratios;
  for (const auto& [name, problem] : problems) {
    double mine = 0;
    double theirs = 0;
    const Solution exact = solve_in_cpu_time(problem, {.engine = Engine::Exact}, limit, mine);
    Solution cbc;
    try {
      cbc = solve_in_cpu_time(problem, {.engine = Engine::Cbc}, limit, theirs);
    } catch (const Error& error) {  // it died before it had a choice: nothing to compare with
      ++died;
      std::printf("  %-28s %s\n", name.c_str(), error.what());
      continue;
    }
    died += static_cast<int>(!cbc.failure.empty());
    const bool proven = exact.status == SolveStatus::Optimal && cbc.status == SolveStatus::Optimal;
    const bool equal = agree(exact, cbc);
    compared += static_cast<int>(proven);
    unequal += static_cast<int>(!equal);
    ratios.push_back(mine / std::max(1e-4, theirs));
    if (each)
      std::printf("  %-28s exact %-10s %.9g in %.3f s  cbc %-10s %.9g in %.3f s%s\n", name.c_str(),
                  name_of(exact.status), exact.objective, mine, name_of(cbc.status), cbc.objective,
                  theirs, equal ? "" : "  NOT EQUAL");
    std::fflush(stdout);
  }
  if (ratios.empty()) return true;
  std::sort(ratios.begin(), ratios.end());
  const double median = ratios[ratios.size() / 2];
  const bool holds = unequal == 0 && compared > 0;
  std::printf(
      "          %s: equal to 1e-6 where both prove within %g s (%d unequal, %d of %zu compared, "
      "CBC "
      "died in %d)\n",
      verdict(holds), limit, unequal, compared, problems.size(), died);
  std::printf("          %s: CPU time <= 0.1x CBC's in the median (%.4fx)\n",
              verdict(median <= 0.1), median);
  std::fflush(stdout);
  return holds && median <= 0.1;
}

}  // namespace mpsearch::bench
