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
constexpr std::size_t kCompared = 4;

}  // namespace

void Labels::clear(int count) {
  figures = count;
  node.clear();
  bound.clear();
  way.clear();
  figure.clear();
  trace.clear();
}

void Labels::push(int at, double way_of_it, double bound_of_it, const double* figures_of_it,
                  Trace made_by) {
  node.push_back(at);
  way.push_back(way_of_it);
  bound.push_back(bound_of_it);
  figure.insert(figure.end(), figures_of_it, figures_of_it + figures);
  trace.push_back(made_by);
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

bool LabelPass::run(std::size_t steps, const LabelEffort& effort) {
  std::size_t made = 0;
  begin();
  look_ahead();
  for (std::size_t i = 0; i < steps; ++i) {
    const std::size_t k = take_step();
    if (has_choice(k)) {
      made += next_.size();
      if (made > effort.made && !on_the_way(steps, made, effort.hoped)) return false;
      keep_undominated(effort.kept);
      if (dropped_) complete_ = false;
    } else {  // hardly more labels than before
      std::swap(now_, next_);
    }
    widths_.push_back(now_.size());
    traces_.push_back(now_.trace);
    if (now_.size() == 0) {
      done_ = steps;
      return true;
    }
  }
  return true;
}

/// Fills next_ with the labels one step on; returns the graph's step.
std::size_t LabelPass::take_step() {
  const std::size_t k = step_at(done_++);
  prepare();
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
  const char* const allowed = in_.view.allowed.data() + in_.offsets.option[k];
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
  now_.push(0, (forward_ ? in_.priced.start() : 0) - in_.constant, 0, figures.data(), {});
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
          if (step.signature_of[o] == s && in_.view.allowed[in_.offsets.option[k] + o] != 0) {
            dearest = std::max(dearest, cell + row->pricing.own(at, static_cast<int>(o)));
            cheapest = std::min(cheapest, low + row->pricing.own(at, static_cast<int>(o)));
          }
      }
      range[i] = range[i + 1] + dearest - cheapest;
    }
  }
}

/// The bound of a label as a linear function of its figures, and what its figures must keep to. The
/// way to the first node holds the base already, the way to the last one does not.
void LabelPass::prepare() {
  const ClassBoundary& here = boundary();
  const int classes = here.classes;
  next_.clear(1 + classes + static_cast<int>(others_.size()));
  factor_.assign(next_.figures, 0);
  priced_.assign(classes, 0);
  factor_[0] = 1;
  add_ = -in_.constant;
  const auto missing_base = [&](const ClassRun& run, int event) {
    if (forward_) return run.based ? 0 : classes_.base[event];
    return run.based ? -classes_.base[event] : 0;
  };
  for (std::size_t r = 0; r < in_.rows.size(); ++r) {
    const double weight = in_.multiplier[r] / in_.task.scale(in_.rows[r]);
    if (in_.rows[r] < in_.task.events) {
      const ClassRun& run = here.run_of(in_.rows[r]);
      factor_[1 + run.index] += weight;
      if (weight > 0) priced_[run.index] = 1;
      add_ += weight * missing_base(run, in_.rows[r]);
    } else {
      for (std::size_t i = 0; i < others_.size(); ++i)
        if (others_[i]->row == in_.rows[r]) factor_[1 + classes + i] += weight;
    }
  }
  guards_.clear();
  for (const RowBounds& row : in_.bounds) {
    if (row.row >= in_.task.events) continue;
    const ClassRun& run = here.run_of(row.row);
    guards_.push_back({1 + run.index, missing_base(run, row.row), byte_limit_, &row.pricing});
  }
  for (std::size_t i = 0; i < others_.size(); ++i) {
    const double limit = in_.task.limit(others_[i]->row);
    guards_.push_back({1 + classes + static_cast<int>(i), 0, limit + 1e-12 * std::fabs(limit),
                       &others_[i]->pricing});
  }
  figures_.resize(next_.figures);
}

/// All labels one step on whose completions may still be worth something.
void LabelPass::extend(std::size_t k) {
  const Step& step = in_.graph.steps[k];
  const int* const to = in_.view.to.data() + in_.offsets.arc[k];
  if (forward_) {
    for (std::size_t l = 0; l < now_.size(); ++l) {
      const int node = now_.node[l];
      for (int s = 0; s < step.signatures; ++s) {
        const int next = to[static_cast<std::size_t>(node) * step.signatures + s];
        if (next >= 0) extend_over(k, l, step.row_of[node], s, next);
      }
    }
    return;
  }
  std::vector<std::vector<std::size_t>> arcs;  // that lead to each node
  for (std::size_t arc = 0; arc < step.to.size(); ++arc) {
    if (to[arc] < 0) continue;
    if (static_cast<std::size_t>(to[arc]) >= arcs.size()) arcs.resize(to[arc] + 1);
    arcs[to[arc]].push_back(arc);
  }
  for (std::size_t l = 0; l < now_.size(); ++l) {
    if (static_cast<std::size_t>(now_.node[l]) >= arcs.size()) continue;
    for (const std::size_t arc : arcs[now_.node[l]]) {
      const int node = static_cast<int>(arc / step.signatures);
      extend_over(k, l, step.row_of[node], static_cast<int>(arc % step.signatures), node);
    }
  }
}

void LabelPass::extend_over(std::size_t k, std::size_t label, int row, int signature, int target) {
  const Step& step = in_.graph.steps[k];
  const ClassStep& shape = classes_.steps[done_ - 1];
  const int at = static_cast<int>(k);
  const int cell = row * step.signatures + signature;
  const double* const shared = shape.cell.data() + static_cast<std::size_t>(cell) * shape.segments;
  const double rest = least_rest(target);
  for (std::size_t o = 0; o < step.own.size(); ++o) {
    if (step.signature_of[o] != signature || in_.view.allowed[in_.offsets.option[k] + o] == 0)
      continue;
    const double price =
        in_.priced.own(at, static_cast<int>(o)) + in_.priced.cell(at, row, signature);
    const double least = now_.way[label] + price + rest;  // classes only ever add to it
    if (least >= certain_stop_) {
      least_pruned_ = std::min(least_pruned_, least);
      continue;
    }
    const double* const before = now_.of(label);
    if (!take_classes(before, shape.own.data() + o * shape.segments, shared)) continue;
    figures_[0] =
        before[0] + in_.goal.own(at, static_cast<int>(o)) + in_.goal.cell(at, row, signature);
    for (std::size_t i = 0; i < others_.size(); ++i)
      figures_[next_.figures - others_.size() + i] =
          before[now_.figures - others_.size() + i] +
          on_grain(i, others_[i]->pricing.cell(at, row, signature) +
                          others_[i]->pricing.own(at, static_cast<int>(o)));
    if (!fits(target)) continue;
    double way = add_;
    for (int f = 0; f < next_.figures; ++f) way += factor_[f] * figures_[f];
    const double bound = way + rest;
    if (bound < stop_)
      next_.push(target, way, bound, figures_.data(),
                 {static_cast<int>(label), static_cast<int>(o)});
    else
      least_pruned_ = std::min(least_pruned_, bound);
  }
}

/// Sums of numbers on one grain are exact: labels of equal parts are equal, in whatever order.
double LabelPass::on_grain(std::size_t other, double value) const {
  const double grain = other_grain_[other];
  return grain > 0 ? std::nearbyint(value / grain) * grain : value;
}

bool LabelPass::take_classes(const double* before, const double* own, const double* shared) {
  const ClassStep& shape = classes_.steps[done_ - 1];
  const ClassBoundary& here = boundary();
  for (int c = 0; c < here.classes; ++c) {
    // With less, the limit is out of reach; only the peak itself makes a difference then, and what
    // is added up with bounds of ways that know more than prices.
    const bool exact = in_.task.peak || (in_.ways != nullptr && priced_[c] != 0);
    double value = exact ? -kInfinity : byte_limit_ - here.most_ahead[c];
    // So it is with that of the other side, together with which it must not exceed the limit.
    if (!here.most_so_far.empty()) value = std::min(value, here.most_so_far[c]);
    for (int t = shape.first_term[c]; t < shape.first_term[c + 1]; ++t) {
      const ClassTerm& term = shape.terms[t];
      value = std::max(
          value, before[1 + term.from] + own[term.segment] + shared[term.segment] + term.base);
    }
    if (value + here.least_ahead[c] > byte_limit_) return false;
    figures_[1 + c] = value;
  }
  return true;
}

double LabelPass::rest(const Pricing& pricing, int node) const {
  return forward_ ? pricing.to_end(static_cast<int>(done_), node)
                  : pricing.from_start(static_cast<int>(step_at(done_ - 1)), node);
}

std::size_t LabelPass::place_of(int node) const {
  return static_cast<std::size_t>(in_.offsets.node[forward_ ? done_ : step_at(done_ - 1)] + node);
}

/// The same by whatever is known to bound the sum with the label's own part.
double LabelPass::least_rest(int node) const {
  if (in_.ways == nullptr) return rest(in_.priced, node);
  const std::vector<double>& known = forward_ ? in_.ways->to_end : in_.ways->from_start;
  return known.empty() ? rest(in_.priced, node) : known[place_of(node)];
}

bool LabelPass::fits(int node) const {
  return std::all_of(guards_.begin(), guards_.end(), [&](const Guard& guard) {
    return figures_[guard.figure] + guard.add + rest(*guard.alone, node) <= guard.limit;
  });
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
    for (auto at = end; at != order.end(); ++at) leave(at->second);
    order.erase(end, order.end());
  }
  std::sort(order.begin(), order.end());
  plant(order);
  now_.clear(next_.figures);
  for (std::size_t p = 0; p < order.size(); ++p) {
    const int i = order[p].second;
    DominanceTree& others = trees_[next_.node[i]];
    const int dominator = others.dominator(place_[i], goal_slack_);
    if (dominator >= 0) {
      const double theirs = next_.of(at_[next_.node[i]][dominator])[0];
      least_lead_ = std::min(least_lead_, next_.of(i)[0] - theirs);
      continue;
    }
    if (now_.size() == most) {
      dropped_ = true;
      for (; p < order.size(); ++p) leave(order[p].second);
      return;
    }
    others.keep(place_[i]);
    now_.push(next_.node[i], next_.way[i], next_.bound[i], next_.of(i), next_.trace[i]);
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
    const auto node = static_cast<std::size_t>(next_.node[i]);
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
