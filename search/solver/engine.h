// What an engine is asked and what it answers; solve.cpp puts the engines together and checks them.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::solver {

/// When to stop early: `time_limit` from the moment of construction, or the caller's flag.
class Patience {
 public:
  explicit Patience(const SolveOptions& options) : stop_(options.stop) {
    if (options.time_limit <= 0) return;
    const std::chrono::duration<double> limit(std::min(options.time_limit, 1e9));
    end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit);
  }
  bool interrupted() const { return set(stop_) || set(told_); }
  /// One more flag to stop by.
  void heed(const std::atomic<bool>& stop) { told_ = &stop; }
  bool over() const { return interrupted() || (end_ && Clock::now() >= *end_); }
  /// Seconds left; empty without a limit.
  std::optional<double> left() const {
    if (!end_) return std::nullopt;
    return std::max(0.0, std::chrono::duration<double>(*end_ - Clock::now()).count());
  }

 private:
  using Clock = std::chrono::steady_clock;
  static bool set(const std::atomic<bool>* flag) {
    return flag != nullptr && flag->load(std::memory_order_relaxed);
  }

  const std::atomic<bool>* stop_ = nullptr;
  const std::atomic<bool>* told_ = nullptr;
  std::optional<Clock::time_point> end_;
};

/// What to minimise: the sum of one of the costs, or the largest usage of all events (then the
/// byte limit does not count).
enum class Goal { Ms, Sensitivity, Peak };

/// `choice` is empty when none was found; `bound` (meaningless when infeasible) is at most the
/// optimum of the goal.
struct Answer {
  SolveStatus status = SolveStatus::Unknown;
  std::vector<int> choice;
  double bound = 0;
  std::int64_t nodes = 0;
  bool interrupted = false;
  /// When optimal: whether each option of the graph, in its order, may be part of a choice as good
  /// as the optimum within 1e-9 relative. Empty: not known.
  std::vector<char> tied = {};
  /// Why the engine ended without an answer; mostly empty.
  std::string failure = {};
};

/// Whether `choice` avoids every combination.
bool avoids(const std::vector<int>& choice, const std::vector<std::vector<Pick>>& forbidden);

struct FrontierGraph;

/// The problem as a mixed-integer program in CBC: a flow through `graph` (built with the same
/// forbidden combinations; not for the peak), or without one the plain model, whose event rows are
/// added as they are violated. CBC runs in a process of its own: where that dies, the answer is
/// Unknown with a `failure` and the bound of the columns alone.
Answer solve_with_cbc(const Problem& problem, Goal goal, const SolveOptions& options,
                      const Patience& patience, const FrontierGraph* graph);

/// A choice within all limits, found by trying one layer's options at a time, fewer once patience
/// is over; empty when that fails.
std::vector<int> search_locally(const Problem& problem,
                                const std::vector<std::vector<Pick>>& forbidden,
                                const Patience& patience);

/// Limits of effort of the exact engine.
inline constexpr std::int64_t kMostArcs = 20'000'000;
inline constexpr std::int64_t kMostMoves = 2'000'000;  // of all tensors' automata

/// A linear inequality that every choice worth finding satisfies; helps to strike out the others.
struct KnownLimit {
  double ms = 0;
  double sensitivity = 0;
  std::vector<std::pair<int, double>> events;  // weight of the bytes at single events
  double limit = 0;
};

/// Our own engine on the frontier graph of `problem` (built with the same forbidden combinations).
/// Limits may differ from those that the graph was built with. `start`: a known choice, or empty;
/// `allowed`: the options of the graph to look at, in its order, or empty.
Answer solve_exactly(const Problem& problem, const FrontierGraph& graph, Goal goal,
                     const std::vector<KnownLimit>& known, const std::vector<int>& start,
                     const std::vector<char>& allowed, const SolveOptions& options,
                     const Patience& patience, KnownLimit* certificate);

/// The certificate from multipliers near the best: they are improved on the whole graph, where no
/// incumbent has struck anything out, until the bound is `enough`. `near` is what solve_exactly()
/// gave for the same goal.
Certificate certify(const Problem& problem, const FrontierGraph& graph, Goal goal,
                    const KnownLimit& near, double enough, const Patience& patience);

}  // namespace mpsearch::solver
