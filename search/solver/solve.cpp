#include "search/solver/solve.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "kernels/error.h"
#include "search/solver/arc_flow.h"
#include "search/solver/check.h"
#include "search/solver/engine.h"
#include "search/solver/frontier_graph.h"

namespace mpsearch {
namespace solver {

bool avoids(const std::vector<int>& choice, const std::vector<std::vector<Pick>>& forbidden) {
  return std::none_of(forbidden.begin(), forbidden.end(), [&](const std::vector<Pick>& picks) {
    return std::all_of(picks.begin(), picks.end(),
                       [&](const Pick& pick) { return choice[pick.layer] == pick.option; });
  });
}

namespace {

std::string warning_of(const Answer& answer) {
  if (answer.failure.empty()) return {};
  return "the solver CBC failed (" + answer.failure + "): a better choice may exist";
}

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorKind::Unavailable,
              ErrorText{.what = "the solver CBC failed before it found an answer",
                        .at = {},
                        .why = why,
                        .try_ = "another --budget, or --solver exact"});
}

constexpr std::int64_t kNoByteLimit = std::int64_t{1} << 62;

/// Nodes of a search for the lightest choice that take as long as one of another search.
constexpr std::int64_t kLightNodes = 20;

/// A graph of so many arcs is cheap enough to be content with, and one of so many too dear to look
/// for another.
constexpr std::int64_t kCheapArcs = 20'000;
constexpr std::int64_t kDearArcs = 500'000;

/// Nodes that breaking the tie may take.
constexpr std::int64_t kTieNodes = 50;

Goal goal_of(Objective objective) {
  return objective == Objective::Ms ? Goal::Ms : Goal::Sensitivity;
}

/// Tells which engine answers, and keeps what it can use again.
class Engines {
 public:
  Engines(const Problem& problem, const SolveOptions& options, const Patience& patience)
      : options_(options) {
    const bool cbc = options.engine == Engine::Cbc;
    const std::vector<Order> orders = elimination_orders(problem, options.forbidden, patience);
    // The promise is a guess: where it matters, the next orders may prove better by a tenth.
    for (std::size_t o = 0; o < std::min<std::size_t>(4, orders.size()); ++o) {
      if (graph_ && (graph_->arcs < kCheapArcs || graph_->arcs > kDearArcs)) break;
      const std::int64_t most = graph_ ? graph_->arcs * 9 / 10 : cbc ? kMostFlowArcs : kMostArcs;
      std::optional<FrontierGraph> graph =
          build_graph(problem, orders[o], options.forbidden, most, patience);
      if (!graph) break;
      graph_ = std::move(graph);
    }
    exact_ = graph_ && !cbc;
    if (exact_ || options.engine != Engine::Exact) return;
    throw Error(ErrorKind::Unavailable,
                ErrorText{.what = "the exact engine cannot hold this problem",
                          .at = {},
                          .why = "its frontier graph has too many arcs",
                          .try_ = "--solver cbc"});
  }

  const char* name() const { return exact_ ? "exact" : "cbc"; }

  /// `problem` differs from the constructor's in its limits and objective at most.
  Answer minimise(const Problem& problem, Goal goal, const std::vector<int>& start,
                  std::int64_t node_limit, const Patience& patience) {
    SolveOptions options = options_;
    options.node_limit = node_limit;
    if (!exact_) {
      certificate_ = {goal == Goal::Ms ? 1.0 : 0.0, goal == Goal::Sensitivity ? 1.0 : 0.0, {}, 0};
      return solve_with_cbc(problem, goal, options, patience, graph_ ? &*graph_ : nullptr);
    }
    KnownLimit certificate;
    Answer answer = solve_exactly(problem, *graph_, goal, known_, start, tied_, options, patience,
                                  &certificate);
    tied_ = answer.tied;
    certificate_ = std::move(certificate);
    return answer;
  }

  /// The choice of the least peak, whatever the byte limit; it does not count as the last search.
  Answer lightest(Problem problem, std::int64_t node_limit, const Patience& patience) {
    const KnownLimit certificate = certificate_;
    const std::vector<char> tied = tied_;
    problem.limits.bytes = kNoByteLimit;
    Answer answer = minimise(problem, Goal::Peak, {}, node_limit, patience);
    certificate_ = certificate;
    tied_ = tied;
    return answer;
  }

  /// Of the last search; empty where the engine has no multipliers.
  std::optional<Certificate> certificate(const Problem& problem, double enough,
                                         const Patience& patience) const {
    if (!graph_ || graph_->steps.front().nodes == 0) return std::nullopt;
    return certify(problem, *graph_, goal_of(problem.objective), certificate_, enough, patience);
  }

  /// From now on only choices whose last goal is at most `best` matter.
  void keep_ties(double best) {
    if (!exact_) return;
    certificate_.limit += best;
    certificate_.limit += 2e-9 * std::fabs(best) + 1e-12 * std::fabs(certificate_.limit);
    known_ = {certificate_};
  }

  /// The next search knows nothing of the last one.
  void forget() {
    known_.clear();
    tied_.clear();
  }

 private:
  const SolveOptions& options_;
  std::optional<FrontierGraph> graph_;
  bool exact_ = false;  // our engine answers
  KnownLimit certificate_;
  std::vector<KnownLimit> known_;
  std::vector<char> tied_;  // options that may take part in a choice as good as the last answer
};

double objective_of(const Problem& problem, const Evaluation& evaluation) {
  return problem.objective == Objective::Ms ? evaluation.ms : evaluation.sensitivity;
}

/// The problem whose optimum breaks the ties of `problem`: the other cost, with `best` as a limit.
Problem tie_break(const Problem& problem, double best) {
  Problem other = problem;
  const bool ms = problem.objective == Objective::Ms;
  other.objective = ms ? Objective::Sensitivity : Objective::Ms;
  (ms ? other.limits.ms : other.limits.sensitivity) = best;
  return other;
}

/// An answer of an engine is believed only after this.
void demand_valid(const Problem& problem, const SolveOptions& options,
                  const std::vector<int>& choice) {
  const std::string why = violated_limit(problem, evaluate(problem, choice));
  require(why.empty(), ErrorKind::Internal, "the solver's answer breaks a limit: " + why);
  require(avoids(choice, options.forbidden), ErrorKind::Internal,
          "the solver's answer takes a forbidden combination");
}

void check_options(const Problem& problem, const SolveOptions& options) {
  for (const std::vector<Pick>& combination : options.forbidden)
    for (const Pick& pick : combination)
      require(pick.layer >= 0 && static_cast<std::size_t>(pick.layer) < problem.layers.size() &&
                  pick.option >= 0 &&
                  static_cast<std::size_t>(pick.option) < problem.layers[pick.layer].options.size(),
              ErrorKind::Usage,
              "a forbidden combination names a layer or option that is not there");
}

void fill_figures(const Problem& problem, Solution& solution) {
  const Evaluation evaluation = evaluate(problem, solution.choice);
  solution.ms = evaluation.ms;
  solution.sensitivity = evaluation.sensitivity;
  solution.peak_bytes = evaluation.peak;
  solution.peak_event = evaluation.peak_event;
  solution.objective = objective_of(problem, evaluation);
  if (solution.certificate) solution.bound = std::max(solution.bound, solution.certificate->bound);
  solution.bound = std::min(solution.bound, solution.objective);
  if (solution.status == SolveStatus::Optimal) return;
  solution.gap = relative_gap(solution.objective, solution.bound);
}

/// What solve() does once the engines stand; `problem` differs from theirs in its byte limit only.
Solution solve_within(const Problem& problem, const SolveOptions& options, Engines& engines,
                      const Patience& patience) {
  engines.forget();
  Solution solution;
  solution.solver = engines.name();
  Answer first =
      engines.minimise(problem, goal_of(problem.objective), {}, options.node_limit, patience);
  solution.status = first.status;
  solution.bound = first.bound;
  solution.nodes = first.nodes;
  solution.choice = std::move(first.choice);
  solution.failure = warning_of(first);
  solution.interrupted = first.interrupted || patience.interrupted();
  if (solution.status == SolveStatus::Unknown) {
    solution.choice = search_locally(problem, options.forbidden, patience);
    if (solution.choice.empty() && !patience.over()) {
      Answer light = engines.lightest(problem, kLightNodes * options.node_limit, patience);
      if (!light.choice.empty() && violated_limit(problem, evaluate(problem, light.choice)).empty())
        solution.choice = std::move(light.choice);
    }
    if (!solution.choice.empty()) solution.status = SolveStatus::Feasible;
  }
  if (solution.choice.empty() && !solution.failure.empty()) fail(first.failure);
  if (solution.choice.empty()) return solution;
  demand_valid(problem, options, solution.choice);
  if (options.certify)
    solution.certificate = engines.certificate(
        problem, objective_of(problem, evaluate(problem, solution.choice)), patience);
  if (solution.status == SolveStatus::Optimal) {
    const double best = objective_of(problem, evaluate(problem, solution.choice));
    solution.bound = best;
    fill_figures(problem, solution);
    if (static_cast<std::size_t>(std::ranges::count(first.tied, 1)) == problem.layers.size())
      return solution;  // nothing else is as good
    const Problem other = tie_break(problem, best);
    engines.keep_ties(best);
    const Answer second =
        engines.minimise(other, goal_of(other.objective), solution.choice, kTieNodes, patience);
    solution.nodes += second.nodes;
    solution.failure = warning_of(second);
    if (!second.choice.empty() && objective_of(other, evaluate(other, second.choice)) <
                                      objective_of(other, evaluate(other, solution.choice)))
      solution.choice = second.choice;
    demand_valid(problem, options, solution.choice);
  }
  fill_figures(problem, solution);
  return solution;
}

}  // namespace
}  // namespace solver

struct Front::Shared {
  Shared(const Problem& of, const SolveOptions& with)
      : problem(of), options(with), patience(options), engines(problem, options, patience) {}

  Problem problem;
  SolveOptions options;
  solver::Patience patience;  // of the next answer: that of the first one counts the building
  solver::Engines engines;
};

Front::Front(const Problem& problem, const SolveOptions& options) {
  validate(problem);
  solver::check_options(problem, options);
  shared_ = std::make_unique<Shared>(problem, options);
}

Front::~Front() = default;

Solution Front::at(std::int64_t bytes) {
  Shared& shared = *shared_;
  shared.problem.limits.bytes = bytes;
  require(bytes >= 0, ErrorKind::Usage, "a byte limit is negative");
  Solution solution =
      solver::solve_within(shared.problem, shared.options, shared.engines, shared.patience);
  shared.patience = solver::Patience(shared.options);
  return solution;
}

Solution solve(const Problem& problem, const SolveOptions& options) {
  return Front(problem, options).at(problem.limits.bytes);
}

std::vector<Solution> solve_front(const Problem& problem, std::span<const std::int64_t> budgets,
                                  const SolveOptions& options) {
  Front front(problem, options);
  std::vector<Solution> solutions;
  for (const std::int64_t bytes : budgets) solutions.push_back(front.at(bytes));
  return solutions;
}

LeastBudget least_budget(const Problem& problem, const SolveOptions& options) {
  using namespace solver;  // NOLINT: the engines' names, in this file only
  validate(problem);
  check_options(problem, options);
  const Patience patience(options);
  Engines engines(problem, options, patience);
  LeastBudget least;
  const Answer answer = engines.lightest(problem, options.node_limit, patience);
  if (!answer.failure.empty()) fail(answer.failure);
  least.status = answer.status;
  if (answer.choice.empty()) return least;
  const Evaluation evaluation = evaluate(problem, answer.choice);
  least.choice = answer.choice;
  least.bytes = std::max<std::int64_t>(0, evaluation.peak);
  least.event = evaluation.peak_event;
  const double bound = std::clamp(std::ceil(answer.bound), 0.0, static_cast<double>(least.bytes));
  least.bound =
      answer.status == SolveStatus::Optimal ? least.bytes : static_cast<std::int64_t>(bound);
  return least;
}

}  // namespace mpsearch
