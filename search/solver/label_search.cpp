#include "search/solver/label_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mpsearch::solver {
namespace {

constexpr std::size_t kMostFinished = 8;

/// A partial choice: up to some layer, ending in `node`.
struct Label {
  int node = 0;
  int parent = -1;
  int option = -1;
  double price = 0;  // under the multipliers, so far
  double bound = 0;  // of every completion
  double goal = 0;   // without multipliers, so far
};

class LabelSearch {
 public:
  LabelSearch(const FrontierGraph& graph, const Offsets& offsets, const Task& task,
              const View& view, const Pricing& priced, double constant,
              const std::vector<RowBounds>& bounds, double stop)
      : graph_(graph),
        offsets_(offsets),
        task_(task),
        view_(view),
        priced_(priced),
        constant_(constant),
        bounds_(bounds),
        stop_(stop),
        rows_(bounds.size()) {}

  LabelResult run(std::size_t most, bool exact) {
    LabelResult result;
    result.complete = true;
    layers_.resize(graph_.steps.size() + 1);
    Label first;
    first.price = priced_.start();
    layers_[0].push_back(first);
    for (const RowBounds& row : bounds_) used_.push_back(row.pricing.start());
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
      extend(static_cast<int>(k));
      if (next_.empty()) return result;
      if (exact && next_.size() > 10 * most) return {};
      keep_undominated(layers_[k + 1], most);
      if (!dropped_) continue;
      if (exact) return {};
      result.complete = false;
    }
    result.found = finished();
    return result;
  }

 private:
  /// All labels one layer on whose completions may still be worth something.
  void extend(int k) {
    const Step& step = graph_.steps[k];
    next_.clear();
    next_used_.clear();
    for (std::size_t l = 0; l < layers_[k].size(); ++l) {
      const Label& label = layers_[k][l];
      const int row = step.row_of[label.node];
      const int* const to = view_.to.data() + offsets_.arc[k] +
                            static_cast<std::size_t>(label.node) * step.signatures;
      for (std::size_t o = 0; o < step.own.size(); ++o) {
        const int s = step.signature_of[o];
        if (view_.allowed[offsets_.option[k] + o] == 0 || to[s] < 0) continue;
        Label next;
        next.node = to[s];
        next.parent = static_cast<int>(l);
        next.option = static_cast<int>(o);
        next.price = label.price + priced_.cell(k, row, s) + priced_.own(k, next.option);
        next.bound = next.price + priced_.to_end(k + 1, next.node) - constant_;
        if (!(next.bound < stop_) || !fits(k, l, row, s, next)) continue;
        next.goal = label.goal + goal_of(step, row, s, next.option);
        next_.push_back(next);
      }
    }
  }

  bool fits(int k, std::size_t l, int row, int s, const Label& next) {
    for (std::size_t r = 0; r < rows_; ++r) {
      const Pricing& alone = bounds_[r].pricing;
      const double used = used_[l * rows_ + r] + alone.cell(k, row, s) + alone.own(k, next.option);
      const double limit = task_.limit(bounds_[r].row);
      if (used + alone.to_end(k + 1, next.node) > limit + 1e-12 * std::fabs(limit)) {
        next_used_.resize(next_.size() * rows_);
        return false;
      }
      next_used_.push_back(used);
    }
    return true;
  }

  double goal_of(const Step& step, int row, int s, int option) const {
    const auto price = [&](int item) {
      return task_.goal.ms * graph_.items[item].ms +
             task_.goal.sensitivity * graph_.items[item].sensitivity;
    };
    double sum = price(step.own[option]);
    const int cell = row * step.signatures + s;
    for (int i = step.cell_start[cell]; i < step.cell_start[cell + 1]; ++i)
      sum += price(step.cell_items[i]);
    return sum;
  }

  /// Moves the best `most` labels of next_ that no other dominates to `layer`.
  void keep_undominated(std::vector<Label>& layer, std::size_t most) {
    std::vector<int> order(next_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return next_[a].bound < next_[b].bound; });
    used_.clear();
    dropped_ = false;
    std::vector<std::vector<int>> kept_at;  // of each node
    for (const int i : order) {
      const Label& label = next_[i];
      if (static_cast<std::size_t>(label.node) >= kept_at.size()) kept_at.resize(label.node + 1);
      if (dominated(i, kept_at[label.node])) continue;
      if (layer.size() == most) {
        dropped_ = true;
        return;
      }
      kept_at[label.node].push_back(i);
      layer.push_back(label);
      used_.insert(used_.end(), next_used_.begin() + static_cast<std::ptrdiff_t>(i * rows_),
                   next_used_.begin() + static_cast<std::ptrdiff_t>((i + 1) * rows_));
    }
  }

  bool dominated(int i, const std::vector<int>& by) const {
    return std::any_of(by.begin(), by.end(), [&](int j) {
      if (next_[j].goal > next_[i].goal) return false;
      for (std::size_t r = 0; r < rows_; ++r)
        if (next_used_[j * rows_ + r] > next_used_[i * rows_ + r]) return false;
      return true;
    });
  }

  /// The finished labels of least goal as paths.
  std::vector<Path> finished() const {
    const std::vector<Label>& last = layers_.back();
    std::vector<int> order(last.size());
    for (std::size_t l = 0; l < order.size(); ++l) order[l] = static_cast<int>(l);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return last[a].goal < last[b].goal; });
    order.resize(std::min(order.size(), kMostFinished));
    std::vector<Path> paths;
    for (int at : order) {
      std::vector<int> taken(graph_.steps.size());
      for (std::size_t k = graph_.steps.size(); k-- > 0;) {
        const Label& label = layers_[k + 1][at];
        taken[graph_.steps[k].layer] = label.option;
        at = label.parent;
      }
      paths.push_back(path_of(graph_, std::move(taken)));
    }
    return paths;
  }

  const FrontierGraph& graph_;
  const Offsets& offsets_;
  const Task& task_;
  const View& view_;
  const Pricing& priced_;
  double constant_;
  const std::vector<RowBounds>& bounds_;
  double stop_;
  std::size_t rows_;
  std::vector<std::vector<Label>> layers_;
  std::vector<double> used_;  // of the newest layer's labels, by row
  std::vector<Label> next_;
  std::vector<double> next_used_;
  bool dropped_ = false;
};

}  // namespace

LabelResult label_search(const FrontierGraph& graph, const Offsets& offsets, const Task& task,
                         const View& view, const Pricing& priced, double constant,
                         const std::vector<RowBounds>& bounds, double stop, std::size_t most,
                         bool exact) {
  return LabelSearch(graph, offsets, task, view, priced, constant, bounds, stop).run(most, exact);
}

}  // namespace mpsearch::solver
