// The optimiser: Problem in, Solution out. Used by the planner and by `mpsearch solve`.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "search/solver/problem.h"

namespace mpsearch {

enum class Engine {
  Auto,   // the first engine that fits the problem
  Exact,  // ours: frontier graph, Lagrangian bounds, branch and bound
  Cbc,    // the same problem as a mixed-integer program
};

/// One layer's option, as part of a combination.
struct Pick {
  int layer = 0;
  int option = 0;
};

struct SolveOptions {
  Engine engine = Engine::Auto;
  /// Seconds; 0: none. The one option that may make two runs differ.
  double time_limit = 0;
  /// Nodes of branch and bound; 0: none.
  std::int64_t node_limit = 0;
  /// Combinations whose picks must not all be chosen together.
  std::vector<std::vector<Pick>> forbidden = {};
  /// Add the certificate: a proof of the root's bound, for a few more evaluations of it.
  bool certify = false;
  /// Set by a signal handler to stop early with the incumbent; may be null.
  const std::atomic<bool>* stop = nullptr;
};

/// The best choice within the limits that avoids every forbidden combination, with a bound on all
/// such choices; ties as in README.md. Stopped early: Feasible with the incumbent, or Unknown.
/// Throws BadContent for a malformed problem.
Solution solve(const Problem& problem, const SolveOptions& options = {});

/// solve() of one problem under many byte limits, asked for one after the other: what does not
/// depend on the limit is built once.
class Front {
 public:
  /// Throws as solve() does. `options` hold for each answer by itself.
  explicit Front(const Problem& problem, const SolveOptions& options = {});
  ~Front();

  /// What solve() answers where `limits.bytes` is `bytes`.
  Solution at(std::int64_t bytes);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

/// The answers to `budgets` as byte limits of `problem`, in their order.
std::vector<Solution> solve_front(const Problem& problem, std::span<const std::int64_t> budgets,
                                  const SolveOptions& options = {});

/// The least `limits.bytes` under which `problem` is feasible, its other limits kept. Optimal:
/// `bytes` is exact and equals `bound`; Feasible: stopped early, the least lies in bound..bytes;
/// Infeasible: no byte limit helps.
struct LeastBudget {
  SolveStatus status = SolveStatus::Unknown;
  std::int64_t bytes = 0;
  std::int64_t bound = 0;
  std::vector<int> choice;
  int event = 0;  // where the choice's peak lies
};
LeastBudget least_budget(const Problem& problem, const SolveOptions& options = {});

}  // namespace mpsearch
