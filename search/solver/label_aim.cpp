// Which partial choices a beam keeps: those near what the dual's mixed paths use on average.
#include <algorithm>

#include "search/solver/labels.h"

namespace mpsearch::solver {
namespace {

/// A row's range never counts for less than this part of the whole.
constexpr double kLeastRange = 0.02;

/// Of the greatest multiplier: what rows count for in a guess whose own is less.
constexpr double kLeastPrice = 0.1;

}  // namespace

/// A label that is off the mean by d must make up for it in what is left of the row's range R: were
/// the price to rise evenly over the range, it would cost price x d^2 / 2R more than the bound
/// says.
void LabelPass::aim() {
  aims_.clear();
  if (in_.guide == nullptr || in_.guide->before.empty()) return;
  const ClassBoundary& here = boundary();
  whole_range_.resize(in_.rows.size(), 0);
  const double dearest =
      in_.rows.empty() ? 0 : *std::max_element(in_.multiplier.begin(), in_.multiplier.end());
  for (std::size_t r = 0; r < in_.rows.size(); ++r) {
    const int row = in_.rows[r];
    const std::vector<double>& before = in_.guide->before[r];
    const std::size_t k = step_at(done_ - 1);
    Aim aim;
    aim.mean = forward_ ? before[k + 1] : before.back() - before[k];
    double range = 0;
    if (row < in_.task.events) {
      const ClassRun& run = here.run_of(row);
      aim.figure = 1 + run.index;
      if (run.based) aim.mean += classes_.base[row];
      range = here.most_ahead[run.index] - here.least_ahead[run.index];
    } else {
      std::size_t i = 0;
      while (others_[i]->row != row) ++i;
      aim.figure = 1 + here.classes + static_cast<int>(i);
      if (forward_) aim.mean += others_[i]->pricing.start();
      range = range_ahead_[i][done_];
    }
    whole_range_[r] = std::max(whole_range_[r], range);
    range += kLeastRange * whole_range_[r];
    if (!(range > 0)) continue;
    const double price = std::max(in_.multiplier[r], kLeastPrice * dearest);
    aim.weight = 0.5 * price / in_.task.scale(row) / range;
    aim.free_below = in_.multiplier[r] <= 0;
    aims_.push_back(aim);
  }
}

/// What a completion of the label may cost, guessed.
double LabelPass::score(int label) const {
  const double* const figures = next_.of(label);
  double sum = next_.at[label].bound;
  for (const Aim& aim : aims_) {
    const double off = figures[aim.figure] - aim.mean;
    if (off > 0 || !aim.free_below) sum += aim.weight * off * off;
  }
  return sum;
}

}  // namespace mpsearch::solver
