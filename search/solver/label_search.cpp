#include "search/solver/label_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kMostFinished = 8;

/// Labels that dominate another mostly have a bound that is little better.
constexpr std::ptrdiff_t kCompared = 32;

/// How a partial choice was made: the label before it and the option taken.
struct Trace {
  int parent = -1;
  int option = -1;
};

/// Labels between two layers: for each a node, figures and its trace. Figures: the goal so far, the
/// value of each usage class, what each other row has used.
struct Labels {
  int figures = 0;
  std::vector<int> node;
  std::vector<double> bound;  // of every completion
  std::vector<double> figure;
  std::vector<Trace> trace;

  std::size_t size() const { return node.size(); }
  const double* of(std::size_t label) const { return figure.data() + label * figures; }
  void clear(int count) {
    figures = count;
    node.clear();
    bound.clear();
    figure.clear();
    trace.clear();
  }
};

/// A limit on an event of the classes: figure + `add` + the way to the end.
struct Guard {
  int figure = 0;
  double add = 0;
  double limit = 0;
  const Pricing* alone = nullptr;
};

class LabelSearch {
 public:
  LabelSearch(const LabelTask& task, double stop) : in_(task), stop_(stop) {
    for (const RowBounds& row : in_.bounds)
      if (row.row >= in_.task.events) others_.push_back(&row);
    goal_slack_ = 1e-13 * std::fabs(stop);
    byte_limit_ = static_cast<double>(in_.task.bytes);
  }

  LabelResult run(std::size_t most, bool exact) {
    LabelResult result;
    result.complete = true;
    begin();
    for (std::size_t k = 0; k < in_.graph.steps.size(); ++k) {
      prepare(k + 1);
      extend(static_cast<int>(k));
      result.least_pruned = least_pruned_;
      if (next_.size() == 0) return result;
      if (exact && next_.size() > 10 * most) return {};
      if (has_choice(k)) {
        keep_undominated(most);
      } else {  // no more labels than before
        std::swap(now_, next_);
        dropped_ = false;
      }
      traces_.push_back(now_.trace);
      if (!dropped_) continue;
      if (exact) return {};
      result.complete = false;
    }
    result.found = finished();
    return result;
  }

 private:
  bool has_choice(std::size_t k) const {
    const char* const allowed = in_.view.allowed.data() + in_.offsets.option[k];
    return std::count(allowed, allowed + in_.graph.steps[k].own.size(), 1) > 1;
  }

  void begin() {
    const Item& start = in_.graph.start;
    now_.clear(1 + in_.classes.boundaries[0].classes + static_cast<int>(others_.size()));
    now_.node.push_back(0);
    now_.bound.push_back(0);
    now_.figure.assign(now_.figures, 0);
    now_.figure[0] = in_.task.goal.ms * start.ms + in_.task.goal.sensitivity * start.sensitivity;
    for (std::size_t r = 0; r < others_.size(); ++r)
      now_.figure[now_.figures - others_.size() + r] = others_[r]->pricing.start();
  }

  /// The bound of a label as a linear function of its figures, and what its figures must keep to.
  void prepare(std::size_t k) {
    const ClassBoundary& boundary = in_.classes.boundaries[k];
    const int classes = boundary.classes;
    next_.clear(1 + classes + static_cast<int>(others_.size()));
    factor_.assign(next_.figures, 0);
    factor_[0] = 1;
    add_ = -in_.constant;
    for (std::size_t r = 0; r < in_.rows.size(); ++r) {
      const double weight = in_.multiplier[r] / in_.task.scale(in_.rows[r]);
      if (in_.rows[r] < in_.task.events) {
        const ClassRun& run = boundary.run_of(in_.rows[r]);
        factor_[1 + run.index] += weight;
        if (!run.based) add_ += weight * in_.classes.base[in_.rows[r]];
      } else {
        for (std::size_t i = 0; i < others_.size(); ++i)
          if (others_[i]->row == in_.rows[r]) factor_[1 + classes + i] += weight;
      }
    }
    guards_.clear();
    for (const RowBounds& row : in_.bounds) {
      if (row.row >= in_.task.events) continue;
      const ClassRun& run = boundary.run_of(row.row);
      guards_.push_back(
          {1 + run.index, run.based ? 0 : in_.classes.base[row.row], byte_limit_, &row.pricing});
    }
    for (std::size_t i = 0; i < others_.size(); ++i) {
      const double limit = in_.task.limit(others_[i]->row);
      guards_.push_back({1 + classes + static_cast<int>(i), 0, limit + 1e-12 * std::fabs(limit),
                         &others_[i]->pricing});
    }
    figures_.resize(next_.figures);
  }

  /// All labels one layer on whose completions may still be worth something.
  void extend(int k) {
    const Step& step = in_.graph.steps[k];
    const ClassStep& shape = in_.classes.steps[k];
    const ClassBoundary& boundary = in_.classes.boundaries[k + 1];
    for (std::size_t l = 0; l < now_.size(); ++l) {
      const int node = now_.node[l];
      const int* const to = in_.view.to.data() + in_.offsets.arc[k] +
                            static_cast<std::size_t>(node) * step.signatures;
      for (std::size_t o = 0; o < step.own.size(); ++o) {
        const int s = step.signature_of[o];
        if (in_.view.allowed[in_.offsets.option[k] + o] == 0 || to[s] < 0) continue;
        const int row = step.row_of[node];
        const int cell = row * step.signatures + s;
        const double* const own = shape.own.data() + o * shape.segments;
        const double* const shared =
            shape.cell.data() + static_cast<std::size_t>(cell) * shape.segments;
        if (!take_classes(shape, boundary, now_.of(l), own, shared)) continue;
        figures_[0] =
            now_.of(l)[0] + in_.goal.own(k, static_cast<int>(o)) + in_.goal.cell(k, row, s);
        for (std::size_t i = 0; i < others_.size(); ++i)
          figures_[next_.figures - others_.size() + i] =
              now_.of(l)[now_.figures - others_.size() + i] + others_[i]->pricing.cell(k, row, s) +
              others_[i]->pricing.own(k, static_cast<int>(o));
        if (!fits(k + 1, to[s])) continue;
        double bound = add_ + in_.priced.to_end(k + 1, to[s]);
        for (int f = 0; f < next_.figures; ++f) bound += factor_[f] * figures_[f];
        if (!(bound < stop_)) {
          least_pruned_ = std::min(least_pruned_, bound);
          continue;
        }
        next_.node.push_back(to[s]);
        next_.bound.push_back(bound);
        next_.figure.insert(next_.figure.end(), figures_.begin(), figures_.end());
        next_.trace.push_back({static_cast<int>(l), static_cast<int>(o)});
      }
    }
  }

  bool take_classes(const ClassStep& shape, const ClassBoundary& boundary, const double* before,
                    const double* own, const double* shared) {
    for (int c = 0; c < boundary.classes; ++c) {
      // With less, the limit is out of reach; only the peak itself makes a difference then.
      double value = in_.task.peak ? -kInfinity : byte_limit_ - boundary.most_ahead[c];
      for (int t = shape.first_term[c]; t < shape.first_term[c + 1]; ++t) {
        const ClassTerm& term = shape.terms[t];
        value = std::max(
            value, before[1 + term.from] + own[term.segment] + shared[term.segment] + term.base);
      }
      if (value + boundary.least_ahead[c] > byte_limit_) return false;
      figures_[1 + c] = value;
    }
    return true;
  }

  bool fits(int k, int node) const {
    return std::all_of(guards_.begin(), guards_.end(), [&](const Guard& guard) {
      return figures_[guard.figure] + guard.add + guard.alone->to_end(k, node) <= guard.limit;
    });
  }

  /// Moves the best `most` labels of next_ that no other dominates to now_.
  void keep_undominated(std::size_t most) {
    std::vector<int> order(next_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    const std::vector<int> varying = varying_figures();
    if (varying.size() < 2) keep_staircase(varying.empty() ? 0 : varying.front(), order);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return next_.bound[a] < next_.bound[b]; });
    now_.clear(next_.figures);
    dropped_ = false;
    std::vector<std::vector<int>> kept_at;  // of each node
    for (const int i : order) {
      const int node = next_.node[i];
      if (varying.size() >= 2) {
        if (static_cast<std::size_t>(node) >= kept_at.size()) kept_at.resize(node + 1);
        if (dominated(i, kept_at[node])) continue;
        kept_at[node].push_back(i);
      }
      if (now_.size() == most) {
        dropped_ = true;
        return;
      }
      now_.node.push_back(node);
      now_.bound.push_back(next_.bound[i]);
      now_.figure.insert(now_.figure.end(), next_.of(i), next_.of(i) + next_.figures);
      now_.trace.push_back(next_.trace[i]);
    }
  }

  /// The figures beside the goal in which labels differ.
  std::vector<int> varying_figures() const {
    std::vector<int> varying;
    for (int f = 1; f < next_.figures && varying.size() < 2; ++f)
      for (std::size_t i = 1; i < next_.size(); ++i)
        if (next_.of(i)[f] != next_.of(0)[f]) {
          varying.push_back(f);
          break;
        }
    return varying;
  }

  /// Leaves in `order` the labels that none dominates where they differ in one figure at most.
  void keep_staircase(int figure, std::vector<int>& order) const {
    const auto key = [&](int i) {
      return std::tuple(next_.node[i], next_.of(i)[0], next_.of(i)[figure]);
    };
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
    std::vector<int> kept;
    for (const int i : order) {
      const bool better = kept.empty() || next_.node[kept.back()] != next_.node[i] ||
                          (figure > 0 && next_.of(i)[figure] < next_.of(kept.back())[figure]);
      if (better) kept.push_back(i);
    }
    order = std::move(kept);
  }

  bool dominated(int i, const std::vector<int>& by) const {
    const double* const mine = next_.of(i);
    const std::ptrdiff_t n = by.size();
    return std::any_of(by.end() - std::min(n, kCompared), by.end(), [&](int j) {
      const double* const theirs = next_.of(j);
      if (theirs[0] > mine[0] + goal_slack_) return false;
      for (int f = 1; f < next_.figures; ++f)
        if (theirs[f] > mine[f]) return false;
      return true;
    });
  }

  /// The finished labels of least goal as paths.
  std::vector<Path> finished() const {
    std::vector<int> order(now_.size());
    for (std::size_t l = 0; l < order.size(); ++l) order[l] = static_cast<int>(l);
    // When the peak is minimised the goal is always 0, and the one class left tells.
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return now_.of(a)[0] != now_.of(b)[0] ? now_.of(a)[0] < now_.of(b)[0]
                                            : now_.of(a)[1] < now_.of(b)[1];
    });
    order.resize(std::min(order.size(), kMostFinished));
    std::vector<Path> paths;
    for (int at : order) {
      std::vector<int> taken(in_.graph.steps.size());
      for (std::size_t k = in_.graph.steps.size(); k-- > 0;) {
        taken[in_.graph.steps[k].layer] = traces_[k][at].option;
        at = traces_[k][at].parent;
      }
      paths.push_back(path_of(in_.graph, std::move(taken)));
    }
    return paths;
  }

  const LabelTask& in_;
  double stop_;
  double byte_limit_ = 0;
  double goal_slack_ = 0;
  std::vector<const RowBounds*> others_;
  Labels now_, next_;
  std::vector<std::vector<Trace>> traces_;  // after each layer
  std::vector<double> factor_;
  double add_ = 0;
  std::vector<Guard> guards_;
  std::vector<double> figures_;
  double least_pruned_ = kInfinity;
  bool dropped_ = false;
};

}  // namespace

LabelResult label_search(const LabelTask& task, double stop, std::size_t most, bool exact) {
  return LabelSearch(task, stop).run(most, exact);
}

}  // namespace mpsearch::solver
