// Labels from both ends, joined where they meet.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>

#include "search/solver/label_search.h"
#include "search/solver/labels.h"
#include "search/solver/side_by_side.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Partners tried for each label by how well they fill one limit.
constexpr int kTried = 24;

/// Relative difference of costs that leaves no doubt.
constexpr double kTie = 1e-8;

class Join {
 public:
  Join(const LabelTask& task, const LabelPass& left, const LabelPass& right, double stop)
      : in_(task), left_(left), right_(right), stop_(stop), second_(stop), best_goal_(stop) {
    const ClassBoundary& here = left.boundary();
    const int events = task.task.events;
    for (std::size_t r = 0; r < here.runs.size(); ++r) {
      const ClassRun& run = here.runs[r];
      const ClassRun& other = right.run_of(run.first);
      const int end = r + 1 < here.runs.size() ? here.runs[r + 1].first : events;
      double base = 0;
      if (!run.based && !other.based)
        base = *std::max_element(task.classes.base.begin() + run.first,
                                 task.classes.base.begin() + end);
      meets_.push_back(
          {1 + run.index, 1 + other.index, static_cast<double>(task.task.bytes) - base});
    }
    for (std::size_t i = 0; i < left.others(); ++i) {
      const double limit = task.task.limit(left.other(i).row);
      meets_.push_back({1 + here.classes + static_cast<int>(i),
                        1 + right.boundary().classes + static_cast<int>(i),
                        limit + 1e-12 * std::fabs(limit)});
    }
  }

  /// All pairs that may be worth something, or `most` of them; false when that was not enough.
  bool run(std::size_t most) {
    group();
    fill_one_limit();
    return try_all(most);
  }

  /// The least bound of what was dropped because of it.
  double least_pruned() const { return least_pruned_; }
  double best_goal() const { return best_goal_; }
  double second_goal() const { return second_; }
  std::pair<int, int> best() const { return best_; }

 private:
  /// A limit on the sum of a figure of each side.
  struct Meet {
    int left = 0;
    int right = 0;
    double limit = 0;
  };

  /// Labels of both sides at each node, in the order of their bounds.
  void group() {
    int nodes = 0;
    for (const Label& label : left_.labels().at) nodes = std::max(nodes, label.node + 1);
    for (const Label& label : right_.labels().at) nodes = std::max(nodes, label.node + 1);
    lefts_.resize(nodes);
    rights_.resize(nodes);
    const auto fill = [](const Labels& labels, std::vector<std::vector<int>>& at) {
      for (std::size_t l = 0; l < labels.size(); ++l)
        at[labels.at[l].node].push_back(static_cast<int>(l));
      for (std::vector<int>& list : at)
        std::stable_sort(list.begin(), list.end(),
                         [&](int a, int b) { return labels.at[a].bound < labels.at[b].bound; });
    };
    fill(left_.labels(), lefts_);
    fill(right_.labels(), rights_);
  }

  /// The Lagrangian value of a pair is a sum of a part of each side.
  static double part(const LabelPass& pass, int label) {
    double sum = 0;
    for (int f = 0; f < pass.labels().figures; ++f)
      sum += pass.factors()[f] * pass.labels().of(label)[f];
    return sum;
  }

  bool fits(const double* left, const double* right) const {
    return std::all_of(meets_.begin(), meets_.end(), [&](const Meet& meet) {
      return left[meet.left] + right[meet.right] <= meet.limit;
    });
  }

  void try_pair(int l, int r) {
    const double* const left = left_.labels().of(l);
    const double* const right = right_.labels().of(r);
    const double goal = left[0] + right[0];
    const std::pair<int, int> pair(l, r);
    if (goal >= second_ || pair == best_ || !fits(left, right)) return;
    second_ = goal;
    if (goal >= best_goal_) return;
    second_ = best_goal_;
    best_goal_ = goal;
    best_ = pair;
  }

  /// The limit that weighs most: partners that leave little of it unused are the most promising.
  void fill_one_limit() {
    const std::vector<double>& factor = left_.factors();
    const Meet* tight = nullptr;
    for (const Meet& meet : meets_)
      if (factor[meet.left] > 0 &&
          (tight == nullptr || factor[meet.left] * meet.limit > factor[tight->left] * tight->limit))
        tight = &meet;
    if (tight == nullptr) return;
    const Labels& left = left_.labels();
    const Labels& right = right_.labels();
    for (std::size_t n = 0; n < lefts_.size(); ++n) {
      std::vector<int> order = rights_[n];
      const auto use = [&](int r) { return right.of(r)[tight->right]; };
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return use(a) < use(b); });
      for (const int l : lefts_[n]) {
        const double room = tight->limit - left.of(l)[tight->left];
        auto at = std::upper_bound(order.begin(), order.end(), room,
                                   [&](double most, int r) { return most < use(r); });
        for (int tried = 0; tried < kTried && at != order.begin(); ++tried) try_pair(l, *--at);
      }
    }
  }

  bool try_all(std::size_t most) {
    double constant = -in_.constant;
    const double margin = 1e-13 * std::fabs(stop_);
    for (std::size_t r = 0; r < in_.rows.size(); ++r) {
      const int row = in_.rows[r];
      if (row >= in_.task.events || left_.run_of(row).based || right_.run_of(row).based) continue;
      constant += in_.multiplier[r] / in_.task.scale(row) * in_.classes.base[row];
    }
    std::size_t joined = 0;
    for (std::size_t n = 0; n < lefts_.size(); ++n) {
      std::vector<int>& list = rights_[n];
      std::vector<std::pair<double, int>> order;
      for (const int r : list) order.emplace_back(part(right_, r), r);
      std::stable_sort(order.begin(), order.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      for (const int l : lefts_[n]) {
        const double mine = constant + part(left_, l) - margin;
        for (const auto& [theirs, r] : order) {
          // What costs as much as the best may be one more of the best.
          if (!(mine + theirs < std::min(stop_, best_goal_ + kTie * std::fabs(best_goal_)))) {
            least_pruned_ = std::min(least_pruned_, mine + theirs);
            break;
          }
          if (++joined > most) return false;
          try_pair(l, r);
        }
      }
    }
    return true;
  }

  const LabelTask& in_;
  const LabelPass& left_;
  const LabelPass& right_;
  double stop_;
  double second_;
  double best_goal_;
  double least_pruned_ = kInfinity;
  std::pair<int, int> best_ = {-1, -1};
  std::vector<Meet> meets_;
  std::vector<std::vector<int>> lefts_, rights_;  // of each node
};

}  // namespace

LabelResult label_join(const LabelTask& task, const Cut& cut, double stop,
                       const LabelEffort& effort) {
  LabelPass left(task, task.classes, true, stop);
  LabelPass right(task, cut.classes, false, stop);
  std::atomic<bool> gave_up = false;
  side_by_side(2, [&](std::size_t side) {
    if (side == 0)
      left.run(cut.step, effort, gave_up);
    else
      right.run(task.graph.steps.size() - cut.step, effort, gave_up);
  });
  if (gave_up) return {};
  LabelResult result;
  result.complete = left.complete() && right.complete();
  result.least_other = std::min(left.least_pruned(), right.least_pruned());
  if (left.labels().size() == 0 || right.labels().size() == 0) return result;
  Join join(task, left, right, stop);
  result.complete = join.run(effort.joined) && result.complete;
  result.least_other = std::min(result.least_other, join.least_pruned());
  if (join.best().first >= 0) {
    const double lead = std::min(left.least_lead(), right.least_lead());
    result.least_other =
        std::min({result.least_other, join.second_goal(), join.best_goal() + lead});
    std::vector<int> choice = task.graph.settled;
    left.trace(join.best().first, choice);
    right.trace(join.best().second, choice);
    result.found.push_back(path_of(task.graph, std::move(choice)));
  }
  return result;
}

}  // namespace mpsearch::solver
