#include "search/solver/labels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Of a row's limit: what its figures are rounded to.
constexpr double kGrain = 1e-13;

/// Labels compared with each other for each that may go on.
constexpr std::size_t kCompared = 3;

}  // namespace

void Labels::clear(int count) {
  figures = count;
  at.clear();
  figure.clear();
}

void Labels::push(const Label& label, const double* figures_of_it) {
  at.push_back(label);
  figure.insert(figure.end(), figures_of_it, figures_of_it + figures);
}

LabelPass::LabelPass(const LabelTask& task, const UsageClasses& classes, bool forward, double stop)
    : in_(task), classes_(classes), forward_(forward), stop_(stop) {
  for (const bool implied : {false, true})
    for (const RowBounds& row : in_.bounds) {
      const int other = row.row - in_.task.events;
      if (other < 0 || in_.task.others[other].implied != implied) continue;
      others_.push_back(&row);
      implied_ += static_cast<int>(implied);
      const double limit = std::fabs(in_.task.limit(row.row));
      other_grain_.push_back(limit > 0 ? std::exp2(std::floor(std::log2(kGrain * limit))) : 0);
    }
  goal_slack_ = 1e-13 * std::fabs(stop);
  certain_stop_ = stop + 1e-10 * (std::fabs(stop) + std::fabs(task.constant));
  byte_limit_ = static_cast<double>(in_.task.bytes);
}

void LabelPass::run(std::size_t steps, const LabelEffort& effort, std::atomic<bool>& gave_up) {
  std::size_t made = 0;
  begin();
  look_ahead();
  for (std::size_t i = 0; i < steps; ++i) {
    if (gave_up) return;
    const std::size_t k = take_step();
    if (has_choice(k)) {
      made += next_.size();
      if (made > effort.made && !on_the_way(steps, made, effort.hoped)) {
        gave_up = true;
        return;
      }
      keep_undominated(effort.kept);
      if (dropped_) complete_ = false;
    } else {  // hardly more labels than before
      std::swap(now_, next_);
    }
    widths_.push_back(now_.size());
    traces_.emplace_back();
    traces_.back().reserve(now_.size());
    for (const Label& label : now_.at) traces_.back().push_back(label.trace);
    if (now_.size() == 0) {
      done_ = steps;
      return;
    }
  }
}

/// Fills next_ with the labels one step on; returns the graph's step.
std::size_t LabelPass::take_step() {
  const std::size_t k = step_at(done_++);
  prepare(k);
  extend(k);
  return k;
}

/// Whether labels that go on to grow in number as they did of late stay within `hoped`.
bool LabelPass::on_the_way(std::size_t steps, std::size_t made, std::size_t hoped) const {
  if (made > hoped) return false;
  if (widths_.size() < 4) return true;
  const std::size_t late = widths_.size() / 2;
  const double now = static_cast<double>(next_.size());
  const double then = static_cast<double>(widths_[widths_.size() - late]);
  const double growth = std::max(1.0, std::pow(now / then, 1.0 / static_cast<double>(late)));
  double width = now;
  double all = static_cast<double>(made);
  for (std::size_t i = done_; i < steps && all <= static_cast<double>(hoped); ++i)
    all += width *= growth;
  return all <= static_cast<double>(hoped);
}

void LabelPass::trace(int label, std::vector<int>& choice) const {
  for (std::size_t i = traces_.size(); i-- > 0;) {
    const Trace& made = traces_[i][label];
    choice[in_.graph.steps[step_at(i)].layer] = made.option;
    label = made.parent;
  }
}

bool LabelPass::has_choice(std::size_t k) const {
  const char* const allowed = in_.view.allowed.data() + in_.graph.steps[k].first_option;
  return !forward_ || std::count(allowed, allowed + in_.graph.steps[k].own.size(), 1) > 1;
}

void LabelPass::begin() {
  const Item& start = in_.graph.start;
  now_.clear(1 + classes_.boundaries[0].classes + static_cast<int>(others_.size()));
  std::vector<double> figures(now_.figures, 0);
  if (forward_) {
    figures[0] = in_.task.goal.ms * start.ms + in_.task.goal.sensitivity * start.sensitivity;
    for (std::size_t r = 0; r < others_.size(); ++r)
      figures[now_.figures - others_.size() + r] = on_grain(r, others_[r]->pricing.start());
  }
  const double way = (forward_ ? in_.priced.start() : 0) - in_.constant;
  now_.push({0, {}, 0, way}, figures.data());
}

/// How far what each of the other rows may still take after each step of this direction is from the
/// least, at most.
void LabelPass::look_ahead() {
  const std::size_t all = in_.graph.steps.size();
  for (const RowBounds* row : others_) {
    std::vector<double>& range = range_ahead_.emplace_back(all + 1, 0);
    for (std::size_t i = all; i-- > 0;) {
      const std::size_t k = step_at(i);
      const Step& step = in_.graph.steps[k];
      const int at = static_cast<int>(k);
      double dearest = -kInfinity;
      double cheapest = kInfinity;
      for (int s = 0; s < step.signatures; ++s) {
        double cell = -kInfinity;
        double low = kInfinity;
        for (int r = 0; r < step.rows; ++r) {
          cell = std::max(cell, row->pricing.cell(at, r, s));
          low = std::min(low, row->pricing.cell(at, r, s));
        }
        for (std::size_t o = 0; o < step.own.size(); ++o)
          if (step.signature_of[o] == s &&
              in_.view.allowed[in_.graph.steps[k].first_option + o] != 0) {
            dearest = std::max(dearest, cell + row->pricing.own(at, static_cast<int>(o)));
            cheapest = std::min(cheapest, low + row->pricing.own(at, static_cast<int>(o)));
          }
      }
      range[i] = range[i + 1] + dearest - cheapest;
    }
  }
}

/// Moves the best `most` labels of next_ that no other dominates to now_. Where there are far more
/// only the best of them are compared.
void LabelPass::keep_undominated(std::size_t most) {
  std::vector<std::pair<double, int>> order;
  order.reserve(next_.size());
  aims_.clear();
  if (next_.size() > most) aim();
  for (std::size_t i = 0; i < next_.size(); ++i)
    order.emplace_back(score(static_cast<int>(i)), static_cast<int>(i));
  dropped_ = next_.size() / kCompared > most;
  if (dropped_) {
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(kCompared * most);
    std::nth_element(order.begin(), end, order.end());
    leave(end, order.end());
    order.erase(end, order.end());
  }
  std::sort(order.begin(), order.end());
  plant(order);
  now_.clear(next_.figures);
  for (std::size_t p = 0; p < order.size(); ++p) {
    const int i = order[p].second;
    DominanceTree& others = trees_[next_.at[i].node];
    const int dominator = others.dominator(place_[i], goal_slack_);
    if (dominator >= 0) {
      const double theirs = next_.of(at_[next_.at[i].node][dominator])[0];
      least_lead_ = std::min(least_lead_, next_.of(i)[0] - theirs);
      continue;
    }
    if (now_.size() == most) {
      dropped_ = true;
      leave(order.begin() + static_cast<std::ptrdiff_t>(p), order.end());
      return;
    }
    others.keep(place_[i]);
    now_.push(next_.at[i], next_.of(i));
  }
}

/// A tree for each node over its labels among `labels`: the goal and what figures differ.
void LabelPass::plant(const std::vector<std::pair<double, int>>& labels) {
  std::vector<int> figures = {0};
  for (int f = 1; f < next_.figures - implied_; ++f)
    if (std::any_of(labels.begin(), labels.end(), [&](const auto& label) {
          return next_.of(label.second)[f] != next_.of(labels.front().second)[f];
        }))
      figures.push_back(f);
  for (std::vector<int>& list : at_) list.clear();
  place_.resize(next_.size());
  for (const auto& [bound, i] : labels) {
    const auto node = static_cast<std::size_t>(next_.at[i].node);
    if (node >= at_.size()) at_.resize(node + 1);
    place_[i] = static_cast<int>(at_[node].size());
    at_[node].push_back(i);
  }
  trees_.resize(at_.size());
  std::vector<double> points;
  for (std::size_t n = 0; n < at_.size(); ++n) {
    if (at_[n].empty()) continue;
    points.clear();
    for (const int i : at_[n])
      for (const int f : figures) points.push_back(next_.of(i)[f]);
    trees_[n].reset(points, static_cast<int>(figures.size()));
  }
}

}  // namespace mpsearch::solver
