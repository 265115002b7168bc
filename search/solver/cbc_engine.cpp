#include <algorithm>
#include <cmath>
#include <csignal>
#include <string>
#include <utility>

#include <coin/CbcEventHandler.hpp>
#include <coin/CbcModel.hpp>
#include <coin/CbcSolver.hpp>
#include <coin/CoinBuild.hpp>
#include <coin/OsiClpSolverInterface.hpp>

#include "search/solver/arc_flow.h"
#include "search/solver/check.h"
#include "search/solver/child.h"
#include "search/solver/engine.h"
#include "search/solver/linear_model.h"

namespace mpsearch::solver {
namespace {

/// Rows and objective are scaled to about this size, so that CBC's absolute tolerance of 1e-7 is
/// one part in 1e11.
constexpr double kScale = 1e4;

/// Stops CBC between nodes when the caller's flag is set.
class StopHandler : public CbcEventHandler {
 public:
  explicit StopHandler(const Patience& patience) : patience_(&patience) {}
  CbcAction event(CbcEvent) override { return patience_->over() ? stop : noAction; }
  CbcEventHandler* clone() const override { return new StopHandler(*this); }

 private:
  const Patience* patience_;
};

/// CBC takes SIGINT for itself while it runs; this gives it back.
class SignalGuard {
 public:
  SignalGuard() { sigaction(SIGINT, nullptr, &before_); }
  ~SignalGuard() { sigaction(SIGINT, &before_, nullptr); }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;

 private:
  struct sigaction before_ {};
};

double cost_of(const Column& column, Goal goal) {
  if (goal == Goal::Peak) return 0;
  return goal == Goal::Ms ? column.ms : column.sensitivity;
}

class CbcEngine {
 public:
  /// `complete`: the model has every event's row already.
  CbcEngine(const Problem& problem, Goal goal, const SolveOptions& options,
            const Patience& patience, LinearModel model, bool complete)
      : problem_(problem),
        goal_(goal),
        options_(options),
        patience_(patience),
        model_(std::move(model)),
        has_row_(static_cast<std::size_t>(problem.events), complete) {
    load();
  }

  /// Alternates between CBC and exact checking until CBC's best choice holds every limit exactly.
  Answer run() {
    if (!tighten_relaxation()) return {SolveStatus::Infeasible, {}, 0, 0, false};
    while (true) {
      Answer answer = branch();
      if (answer.choice.empty()) return answer;
      const Evaluation evaluation = evaluate(problem_, answer.choice);
      if (goal_ == Goal::Peak ? !exceeds_other_limits(evaluation)
                              : violated_limit(problem_, evaluation).empty())
        if (!add_event_rows(evaluation_usage(evaluation), true)) return answer;
      if (answer.status != SolveStatus::Optimal) {
        answer.choice.clear();
        answer.status = SolveStatus::Unknown;
        return answer;
      }
      if (!add_event_rows(evaluation_usage(evaluation), true)) cut_off(answer.choice);
    }
  }

 private:
  bool exceeds_other_limits(const Evaluation& evaluation) const {
    Problem other = problem_;
    other.limits.bytes = evaluation.peak;
    return !violated_limit(other, evaluation).empty();
  }

  double cost(const Column& column) const { return cost_of(column, goal_); }

  void load() {
    lp_.messageHandler()->setLogLevel(0);
    lp_.setHintParam(OsiDoReducePrint, true, OsiHintDo);
    double largest = 0;
    for (const Column& column : model_.columns)
      largest = std::max(largest, std::fabs(cost(column)));
    scale_ = largest > 0 ? kScale / largest : 1;
    unit_ = kScale / std::max(1.0, static_cast<double>(problem_.limits.bytes));
    if (goal_ == Goal::Peak) unit_ = kScale / std::max(1.0, largest_usage());
    std::vector<double> lower, upper, costs;
    for (const Column& column : model_.columns) {
      lower.push_back(finite(column.lower));
      upper.push_back(finite(column.upper));
      costs.push_back(cost(column) * scale_);
    }
    const auto columns = static_cast<int>(costs.size());
    const std::vector<int> starts(costs.size() + 1, 0);
    lp_.addCols(columns, starts.data(), nullptr, nullptr, lower.data(), upper.data(), costs.data());
    for (int c = 0; c < columns; ++c)
      if (model_.columns[c].integer) lp_.setInteger(c);
    if (goal_ == Goal::Peak) lp_.addCol(0, nullptr, nullptr, -COIN_DBL_MAX, COIN_DBL_MAX, 1.0);
    CoinBuild rows;  // one by one each would copy the whole matrix
    for (const Row& row : model_.rows) {
      const auto [places, factors] = sparse(row.entries, 1);
      rows.addRow(static_cast<int>(places.size()), places.data(), factors.data(), finite(row.lower),
                  finite(row.upper));
    }
    static_cast<OsiSolverInterface&>(lp_).addRows(rows);
    if (problem_.limits.ms) add_limit(*problem_.limits.ms, &Column::ms);
    if (problem_.limits.sensitivity) add_limit(*problem_.limits.sensitivity, &Column::sensitivity);
  }

  static double finite(double bound) { return std::clamp(bound, -COIN_DBL_MAX, COIN_DBL_MAX); }

  double largest_usage() const {
    double sum = 0;
    for (const Column& column : model_.columns)
      for (const ByteInterval& held : column.held)
        sum += std::fabs(static_cast<double>(held.bytes));
    return sum / static_cast<double>(std::max<std::size_t>(1, problem_.layers.size()));
  }

  static std::pair<std::vector<int>, std::vector<double>> sparse(const std::vector<Entry>& entries,
                                                                 double scale) {
    std::pair<std::vector<int>, std::vector<double>> out;
    for (const Entry& entry : entries) {
      out.first.push_back(entry.column);
      out.second.push_back(entry.factor * scale);
    }
    return out;
  }

  void add_row(const std::vector<Entry>& entries, double scale, double lower, double upper) {
    const auto [columns, factors] = sparse(entries, scale);
    lp_.addRow(static_cast<int>(columns.size()), columns.data(), factors.data(),
               finite(lower * scale), finite(upper * scale));
  }

  void add_limit(double limit, double Column::*cost) {
    std::vector<Entry> entries;
    double largest = std::fabs(limit);
    for (std::size_t c = 0; c < model_.columns.size(); ++c) {
      const double factor = model_.columns[c].*cost;
      if (factor != 0) entries.push_back({static_cast<int>(c), factor});
      largest = std::max(largest, std::fabs(factor));
    }
    add_row(entries, largest > 0 ? kScale / largest : 1, -INFINITY,
            limit + 1e-9 * std::fabs(limit));
  }

  std::vector<double> evaluation_usage(const Evaluation& evaluation) const {
    return {evaluation.bytes.begin(), evaluation.bytes.end()};
  }

  /// Adds the row of the worst event of each stretch over the limit; false when there is nothing to
  /// add. `exact`: the usage is of a choice, so that a single byte counts.
  bool add_event_rows(const std::vector<double>& usage, bool exact) {
    const double peak = goal_ == Goal::Peak ? lp_.getColSolution()[model_.columns.size()] / unit_
                                            : static_cast<double>(problem_.limits.bytes);
    const double limit = exact ? (goal_ == Goal::Peak ? INFINITY : peak) : peak + 1e-6 / unit_;
    bool added = false;
    for (std::size_t e = 0; e < usage.size();) {
      if (usage[e] <= limit) {
        ++e;
        continue;
      }
      std::size_t worst = e;
      for (; e < usage.size() && usage[e] > limit; ++e)
        if (usage[e] > usage[worst]) worst = e;
      if (has_row_[worst]) continue;
      has_row_[worst] = true;
      added = true;
      std::vector<Entry> entries = event_entries(model_, static_cast<int>(worst));
      double room = static_cast<double>(problem_.limits.bytes - model_.base[worst]);
      if (goal_ == Goal::Peak) {
        entries.push_back({static_cast<int>(model_.columns.size()), -1 / unit_});
        room = -static_cast<double>(model_.base[worst]);
      }
      add_row(entries, unit_, -INFINITY, room);
    }
    return added;
  }

  /// Solves the relaxation with as many event rows as it needs; false when it is infeasible.
  bool tighten_relaxation() {
    if (goal_ == Goal::Peak) {  // bounded from the start
      has_row_[0] = true;
      std::vector<Entry> entries = event_entries(model_, 0);
      entries.push_back({static_cast<int>(model_.columns.size()), -1 / unit_});
      add_row(entries, unit_, -INFINITY, -static_cast<double>(model_.base[0]));
    }
    lp_.initialSolve();
    while (lp_.isProvenOptimal() && !patience_.over()) {
      const double* values = lp_.getColSolution();
      const std::vector<double> usage =
          usage_of(model_, std::vector<double>(values, values + model_.columns.size()));
      if (!add_event_rows(usage, false)) return true;
      lp_.resolve();
    }
    return !lp_.isProvenPrimalInfeasible();
  }

  void cut_off(const std::vector<int>& choice) {
    std::vector<Entry> entries;
    for (std::size_t l = 0; l < choice.size(); ++l)
      entries.push_back({model_.first_option[l] + choice[l], 1});
    add_row(entries, 1, -INFINITY, static_cast<double>(choice.size()) - 1);
  }

  Answer branch() {
    Answer answer;
    OsiClpSolverInterface copy(lp_);
    CbcModel cbc(copy);
    cbc.setLogLevel(0);
    const StopHandler handler(patience_);
    cbc.passInEventHandler(&handler);
    std::vector<std::string> words = {"cbc", "-log", "0",    "-ratio",    "0",      "-allow",
                                      "0",   "-inc", "1e-9", "-timeMode", "elapsed"};
    if (options_.node_limit > 0)
      words.insert(words.end(), {"-maxNodes", std::to_string(options_.node_limit)});
    if (const auto left = patience_.left())
      words.insert(words.end(), {"-sec", std::to_string(std::max(0.01, *left))});
    words.insert(words.end(), {"-preprocess", "off", "-solve", "-quit"});
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    {
      const SignalGuard guard;
      CbcSolverUsefulData data;
      CbcMain0(cbc, data);
      cbc.setLogLevel(0);
      CbcMain1(
          static_cast<int>(arguments.size()), arguments.data(), cbc,
          [](CbcModel*, int) { return 0; }, data);
    }
    answer.nodes = cbc.getNodeCount();
    answer.interrupted = cbc.secondaryStatus() == 5;
    const bool finished = cbc.status() == 0 && cbc.secondaryStatus() <= 2;
    if (cbc.bestSolution() != nullptr) {
      answer.choice = choice_of(cbc.bestSolution());
      answer.status = finished ? SolveStatus::Optimal : SolveStatus::Feasible;
    } else if (finished) {
      answer.status = SolveStatus::Infeasible;
    }
    const double bound = cbc.getBestPossibleObjValue();
    answer.bound = (bound - 1e-6 * std::max(1.0, std::fabs(bound) * 1e-3)) /
                   (goal_ == Goal::Peak ? unit_ : scale_);
    return answer;
  }

  std::vector<int> choice_of(const double* values) const {
    std::vector<int> choice;
    for (std::size_t l = 0; l < problem_.layers.size(); ++l) {
      const double* first = values + model_.first_option[l];
      choice.push_back(static_cast<int>(
          std::max_element(first, first + problem_.layers[l].options.size()) - first));
    }
    return choice;
  }

  const Problem& problem_;
  Goal goal_;
  const SolveOptions& options_;
  const Patience& patience_;
  LinearModel model_;
  OsiClpSolverInterface lp_;
  std::vector<bool> has_row_;
  double scale_ = 1;  // of the objective
  double unit_ = 1;   // of bytes
};

/// The least that the columns cost whatever the rows say.
double bound_of_columns(const LinearModel& model, Goal goal) {
  double bound = 0;
  for (const Column& column : model.columns) {
    const double cost = cost_of(column, goal);
    if (cost != 0) bound += std::min(cost * column.lower, cost * column.upper);
  }
  return std::max(bound, -COIN_DBL_MAX);
}

}  // namespace

Answer solve_with_cbc(const Problem& problem, Goal goal, const SolveOptions& options,
                      const Patience& patience, const FrontierGraph* graph) {
  if (graph != nullptr && graph->steps.front().nodes == 0)
    return {SolveStatus::Infeasible, {}, 0, 0, false};
  const bool flow = graph != nullptr && goal != Goal::Peak;
  LinearModel model =
      flow ? arc_flow_model(*graph, problem) : linear_model(problem, options.forbidden);
  if (patience.over())
    return {SolveStatus::Unknown, {}, bound_of_columns(model, goal), 0, patience.interrupted()};
  Answer answer = answer_of_child(
      [&](const std::atomic<bool>& stop) {
        Patience told = patience;
        told.heed(stop);
        return CbcEngine(problem, goal, options, told, model, flow).run();
      },
      patience);
  answer.bound = std::max(answer.bound, bound_of_columns(model, goal));
  return answer;
}

}  // namespace mpsearch::solver
