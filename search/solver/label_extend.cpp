// One step of a label pass: every label with every option that is left to it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "search/solver/labels.h"

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Added to a number and taken away again, it leaves the nearest integer of numbers up to 2^51.
constexpr double kRounds = 0x1.8p52;

}  // namespace

void LabelPass::prepare(std::size_t k) {
  next_.clear(1 + boundary().classes + static_cast<int>(others_.size()));
  figures_.resize(next_.figures);
  set_bound();
  set_guards();
  set_classes();
  gather_moves(k);
  const std::vector<double>* known = nullptr;
  if (in_.ways != nullptr) known = forward_ ? &in_.ways->to_end : &in_.ways->from_start;
  rest_ = known == nullptr || known->empty() ? rests(in_.priced) : known->data() + place_of(0);
}

/// The bound of a label as a linear function of its figures. The way to the first node holds the
/// base already, the way to the last one does not.
void LabelPass::set_bound() {
  const ClassBoundary& here = boundary();
  factor_.assign(next_.figures, 0);
  priced_.assign(here.classes, 0);
  factor_[0] = 1;
  add_ = -in_.constant;
  for (std::size_t r = 0; r < in_.rows.size(); ++r) {
    const double weight = in_.multiplier[r] / in_.task.scale(in_.rows[r]);
    if (in_.rows[r] < in_.task.events) {
      const ClassRun& run = here.run_of(in_.rows[r]);
      factor_[1 + run.index] += weight;
      if (weight > 0) priced_[run.index] = 1;
      add_ += weight * missing_base(run, in_.rows[r]);
    } else {
      for (std::size_t i = 0; i < others_.size(); ++i)
        if (others_[i]->row == in_.rows[r]) factor_[1 + here.classes + i] += weight;
    }
  }
  weights_.clear();
  for (int f = 0; f < next_.figures; ++f)
    if (factor_[f] != 0) weights_.emplace_back(f, factor_[f]);
}

double LabelPass::missing_base(const ClassRun& run, int event) const {
  if (forward_) return run.based ? 0 : classes_.base[event];
  return run.based ? -classes_.base[event] : 0;
}

void LabelPass::set_guards() {
  const ClassBoundary& here = boundary();
  guards_.clear();
  for (const RowBounds& row : in_.bounds) {
    if (row.row >= in_.task.events) continue;
    const ClassRun& run = here.run_of(row.row);
    guards_.push_back({1 + run.index, missing_base(run, row.row), byte_limit_, rests(row.pricing)});
  }
  for (std::size_t i = 0; i < others_.size(); ++i) {
    const double limit = in_.task.limit(others_[i]->row);
    guards_.push_back({1 + here.classes + static_cast<int>(i), 0, limit + 1e-12 * std::fabs(limit),
                       rests(others_[i]->pricing)});
  }
}

void LabelPass::set_classes() {
  const ClassBoundary& here = boundary();
  floor_.assign(here.classes, -kInfinity);
  room_.resize(here.classes);
  for (int c = 0; c < here.classes; ++c) {
    // With less, the limit is out of reach; only the peak itself makes a difference then, and what
    // is added up with bounds of ways that know more than prices.
    const bool exact = in_.task.peak || (in_.ways != nullptr && priced_[c] != 0);
    if (!exact) floor_[c] = byte_limit_ - here.most_ahead[c];
    // So it is with that of the other side, together with which it must not exceed the limit.
    if (!here.most_so_far.empty()) floor_[c] = std::min(floor_[c], here.most_so_far[c]);
    room_[c] = byte_limit_ - here.least_ahead[c];
  }
}

/// What the options of the step add, signature by signature.
void LabelPass::gather_moves(std::size_t k) {
  const Step& step = in_.graph.steps[k];
  const ClassStep& shape = classes_.steps[done_ - 1];
  const int at = static_cast<int>(k);
  moves_.clear();
  first_move_.clear();
  move_held_.clear();
  for (int s = 0; s < step.signatures; ++s) {
    first_move_.push_back(static_cast<int>(moves_.size()));
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      if (step.signature_of[o] != s || in_.view.allowed[in_.graph.steps[k].first_option + o] == 0)
        continue;
      const int option = static_cast<int>(o);
      moves_.push_back({option, in_.priced.own(at, option), in_.goal.own(at, option)});
      for (const ClassTerm& term : shape.terms)
        move_held_.push_back(shape.own[o * shape.segments + term.segment] + term.base);
    }
  }
  first_move_.push_back(static_cast<int>(moves_.size()));
  held_.resize(shape.terms.size());
}

/// All labels one step on whose completions may still be worth something.
void LabelPass::extend(std::size_t k) {
  const Step& step = in_.graph.steps[k];
  const int* const to = in_.view.to.data() + in_.offsets.arc[k];
  if (forward_) {
    for (std::size_t l = 0; l < now_.size(); ++l) {
      const int node = now_.at[l].node;
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
    if (static_cast<std::size_t>(now_.at[l].node) >= arcs.size()) continue;
    for (const std::size_t arc : arcs[now_.at[l].node]) {
      const int node = static_cast<int>(arc / step.signatures);
      extend_over(k, l, step.row_of[node], static_cast<int>(arc % step.signatures), node);
    }
  }
}

void LabelPass::extend_over(std::size_t k, std::size_t label, int row, int signature, int target) {
  const int at = static_cast<int>(k);
  const double cell_price = in_.priced.cell(at, row, signature);
  const double rest = rest_[target];
  const double reached = now_.at[label].way + cell_price;
  // Classes only ever add to what prices alone say.
  const double least_of_all = reached + in_.priced.cheapest(at, signature) + rest;
  if (least_of_all >= certain_stop_) {
    least_pruned_ = std::min(least_pruned_, least_of_all);
    return;
  }
  if (least_of_all >= cap_) {
    left_[target] = std::min(left_[target], least_of_all - rest + in_.constant);
    return;
  }
  const ClassStep& shape = classes_.steps[done_ - 1];
  const std::size_t terms = shape.terms.size();
  const double* const before = now_.of(label);
  const int cell = row * in_.graph.steps[k].signatures + signature;
  const double* const shared = shape.cell.data() + static_cast<std::size_t>(cell) * shape.segments;
  for (std::size_t t = 0; t < terms; ++t)
    held_[t] = before[1 + shape.terms[t].from] + shared[shape.terms[t].segment];
  const double goal = before[0] + in_.goal.cell(at, row, signature);
  for (int m = first_move_[signature]; m < first_move_[signature + 1]; ++m) {
    const Move& move = moves_[m];
    const double least = reached + move.price + rest;
    if (least >= certain_stop_) {
      least_pruned_ = std::min(least_pruned_, least);
      continue;
    }
    if (least >= cap_) {
      left_[target] = std::min(left_[target], reached + move.price + in_.constant);
      continue;
    }
    if (!take_classes(move_held_.data() + m * terms)) continue;
    figures_[0] = goal + move.goal;
    for (std::size_t i = 0; i < others_.size(); ++i)
      figures_[next_.figures - others_.size() + i] =
          before[now_.figures - others_.size() + i] +
          on_grain(i, others_[i]->pricing.cell(at, row, signature) +
                          others_[i]->pricing.own(at, move.option));
    if (!fits(target)) continue;
    double way = add_;
    for (const auto& [f, weight] : weights_) way += weight * figures_[f];
    const double bound = way + rest;
    if (bound >= stop_)
      least_pruned_ = std::min(least_pruned_, bound);
    else if (bound >= cap_)
      left_[target] = std::min(left_[target], way + in_.constant);
    else
      next_.push({target, {static_cast<int>(label), move.option}, bound, way}, figures_.data());
  }
}

/// Sums of numbers on one grain are exact: labels of equal parts are equal, in whatever order.
double LabelPass::on_grain(std::size_t other, double value) const {
  const double grain = other_grain_[other];
  return grain > 0 ? (value / grain + kRounds - kRounds) * grain : value;
}

/// The classes of held_ and what an option adds to each term; false when one breaks its limit.
bool LabelPass::take_classes(const double* option) {
  const ClassStep& shape = classes_.steps[done_ - 1];
  const std::size_t classes = floor_.size();
  for (std::size_t c = 0; c < classes; ++c) {
    double value = floor_[c];
    for (int t = shape.first_term[c]; t < shape.first_term[c + 1]; ++t)
      value = std::max(value, held_[t] + option[t]);
    if (value > room_[c]) return false;
    figures_[1 + c] = value;
  }
  return true;
}

/// The cheapest ways from the nodes after the step now taken to the end of this direction.
const double* LabelPass::rests(const Pricing& pricing) const {
  return forward_ ? pricing.to_end(static_cast<int>(done_))
                  : pricing.from_start(static_cast<int>(step_at(done_ - 1)));
}

std::size_t LabelPass::place_of(int node) const {
  return static_cast<std::size_t>(in_.offsets.node[forward_ ? done_ : step_at(done_ - 1)] + node);
}

bool LabelPass::fits(int node) const {
  for (const Guard& guard : guards_)
    if (figures_[guard.figure] + guard.add + guard.rest[node] > guard.limit) return false;
  return true;
}

}  // namespace mpsearch::solver
