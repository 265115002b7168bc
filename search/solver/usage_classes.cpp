#include "search/solver/usage_classes.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <utility>

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Adds the item's bytes in each segment; a segment ends before each cut.
void hold(const Item& item, const std::vector<int>& cuts, double* bytes) {
  double held = 0;
  std::size_t step = 0;
  for (std::size_t g = 0; g <= cuts.size(); ++g) {
    const int first = g == 0 ? 0 : cuts[g - 1];
    while (step < item.steps.size() && item.steps[step].event <= first)
      held += static_cast<double>(item.steps[step++].bytes);
    bytes[g] += held;
  }
}

/// Places on the line of events, in order.
class EventSet {
 public:
  explicit EventSet(int events)
      : events_(events), words_(static_cast<std::size_t>(events) / 64 + 1) {}
  void add(int event) { words_[event / 64] |= bit(event); }
  void remove(int event) { words_[event / 64] &= ~bit(event); }
  /// The first place from `event` on; the number of events when there is none.
  int next(int event) const {
    if (event >= events_) return events_;
    std::size_t w = static_cast<std::size_t>(event) / 64;
    std::uint64_t left = words_[w] & (~std::uint64_t{0} << (event % 64));
    while (left == 0 && ++w < words_.size()) left = words_[w];
    return left == 0 ? events_ : static_cast<int>(w * 64) + std::countr_zero(left);
  }
  /// The last place up to `event`, which there must be.
  int last(int event) const {
    std::size_t w = static_cast<std::size_t>(event) / 64;
    std::uint64_t left = words_[w] & (~std::uint64_t{0} >> (63 - event % 64));
    while (left == 0) left = words_[--w];
    return static_cast<int>(w * 64) + 63 - std::countl_zero(left);
  }

 private:
  static std::uint64_t bit(int event) { return std::uint64_t{1} << (event % 64); }
  int events_;
  std::vector<std::uint64_t> words_;
};

class Builder {
 public:
  Builder(const FrontierGraph& graph, UsageClasses& out)
      : graph_(graph),
        out_(out),
        events_(static_cast<int>(graph.base.size())),
        steps_ahead_(graph.base.size() + 1, 0),
        ahead_(events_),
        past_(events_) {
    for (const std::int64_t bytes : held_by_all(graph))
      out.base.push_back(static_cast<double>(bytes));
  }

  /// Events before each of which a class must end.
  void run(const std::vector<int>& kept_apart) {
    for (const std::size_t k : out_.order) add_step(graph_.steps[k]);
    for (const std::vector<int>& cuts : cuts_)
      for (const int cut : cuts) ++steps_ahead_[cut];
    for (const int event : kept_apart) ++steps_ahead_[event];
    for (int e = 0; e < events_; ++e)
      if (steps_ahead_[e] > 0) ahead_.add(e);
    add_boundary();
    for (std::size_t k = 0; k < out_.order.size(); ++k) {
      for (const int cut : cuts_[k]) {
        if (--steps_ahead_[cut] == 0) ahead_.remove(cut);
        past_.add(cut);
      }
      add_boundary();
      add_terms(k);
    }
  }

 private:
  void add_step(const Step& step) {
    std::vector<int>& cuts = cuts_.emplace_back();
    const auto note = [&](int item) {
      for (const UsageStep& change : graph_.items[item].steps)
        if (change.event > 0 && change.event < events_) cuts.push_back(change.event);
    };
    for (const int item : step.own) note(item);
    for (const int item : step.cell_items) note(item);
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    ClassStep& out = out_.steps.emplace_back();
    out.segments = static_cast<int>(cuts.size()) + 1;
    out.first_event = {0};
    out.first_event.insert(out.first_event.end(), cuts.begin(), cuts.end());
    out.own.assign(step.own.size() * out.segments, 0);
    for (std::size_t o = 0; o < step.own.size(); ++o)
      hold(graph_.items[step.own[o]], cuts, out.own.data() + o * out.segments);
    const std::size_t cells = static_cast<std::size_t>(step.rows) * step.signatures;
    out.cell.assign(cells * out.segments, 0);
    for (std::size_t c = 0; c < cells; ++c)
      for (int i = step.cell_start[c]; i < step.cell_start[c + 1]; ++i)
        hold(graph_.items[step.cell_items[i]], cuts, out.cell.data() + c * out.segments);
  }

  /// A class ends where a step to come changes what is held; it has the base where a step done
  /// does within.
  void add_boundary() {
    ClassBoundary& out = out_.boundaries.emplace_back();
    for (int first = 0; first < events_;) {
      const int end = ahead_.next(first + 1);
      const int change = past_.next(first + 1);
      out.runs.push_back({first, out.classes++, change < end});
      if (change >= end && change == events_) return;
      first = change < end ? end : ahead_.last(change);
    }
  }

  /// What is one class before, one segment and one class after the step goes on as one term.
  void add_terms(std::size_t k) {
    ClassStep& out = out_.steps[k];
    const std::vector<ClassRun>& from = out_.boundaries[k].runs;
    const std::vector<ClassRun>& to = out_.boundaries[k + 1].runs;
    const auto first_of = [&](const std::vector<ClassRun>& runs, std::size_t r) {
      return r < runs.size() ? runs[r].first : events_;
    };
    std::size_t before = 0;
    std::size_t after = 0;
    int segment = 0;
    out.first_term.push_back(0);
    for (int first = 0; first < events_;) {
      const int cut = segment + 1 < out.segments ? out.first_event[segment + 1] : events_;
      const int next = std::min({first_of(from, before + 1), first_of(to, after + 1), cut});
      add_term(out, from[before].index, segment,
               to[after].based && !from[before].based
                   ? *std::max_element(out_.base.begin() + first, out_.base.begin() + next)
                   : 0);
      first = next;
      before += static_cast<std::size_t>(first == first_of(from, before + 1));
      segment += static_cast<int>(first == cut);
      if (first != first_of(to, after + 1)) continue;
      ++after;
      out.first_term.push_back(static_cast<int>(out.terms.size()));
    }
  }

  static void add_term(ClassStep& out, int from, int segment, double base) {
    for (std::size_t t = out.first_term.back(); t < out.terms.size(); ++t)
      if (out.terms[t].from == from && out.terms[t].segment == segment) {
        out.terms[t].base = std::max(out.terms[t].base, base);
        return;
      }
    out.terms.push_back({from, segment, base});
  }

  const FrontierGraph& graph_;
  UsageClasses& out_;
  int events_;
  std::vector<std::vector<int>> cuts_;  // of each step: events at which its usage may change
  std::vector<int> steps_ahead_;        // how many steps to come may change at each event
  EventSet ahead_;                      // where any may
  EventSet past_;                       // where a step done may
};

/// The least and the most that one step's allowed options hold in each segment.
void bracket(const Step& step, const ClassStep& shape, const char* allowed,
             std::vector<double>& least, std::vector<double>& most) {
  least.assign(shape.segments, kInfinity);
  most.assign(shape.segments, -kInfinity);
  for (int g = 0; g < shape.segments; ++g)
    for (int s = 0; s < step.signatures; ++s) {
      double low = kInfinity;
      double high = -kInfinity;
      for (std::size_t o = 0; o < step.own.size(); ++o) {
        if (step.signature_of[o] != s || allowed[o] == 0) continue;
        low = std::min(low, shape.own[o * shape.segments + g]);
        high = std::max(high, shape.own[o * shape.segments + g]);
      }
      if (low > high) continue;
      for (int r = 0; r < step.rows; ++r) {
        const std::size_t cell = static_cast<std::size_t>(r) * step.signatures + s;
        least[g] = std::min(least[g], low + shape.cell[cell * shape.segments + g]);
        most[g] = std::max(most[g], high + shape.cell[cell * shape.segments + g]);
      }
    }
}

/// What is ahead of each class before a step, given what it holds and what is ahead after it.
void look_back(const ClassStep& step, const std::vector<double>& held,
               const std::vector<double>& after, int classes, std::vector<double>& before) {
  before.assign(classes, -kInfinity);
  for (std::size_t c = 0; c < after.size(); ++c)
    for (int t = step.first_term[c]; t < step.first_term[c + 1]; ++t) {
      const ClassTerm& term = step.terms[t];
      before[term.from] = std::max(before[term.from], held[term.segment] + term.base + after[c]);
    }
}

/// Adds to each event what the steps before a cut hold.
template <typename Bracket>
void hold_before(std::span<const ClassStep> steps, const Bracket& bracket_step,
                 std::vector<double>& least, std::vector<double>& most) {
  std::vector<double> less(least.size() + 1, 0);  // changes at each event
  std::vector<double> more(least.size() + 1, 0);
  std::vector<double> low;
  std::vector<double> high;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    bracket_step(steps[k], k, low, high);
    for (int g = 0; g < steps[k].segments; ++g) {
      less[steps[k].first_event[g]] += low[g] - (g > 0 ? low[g - 1] : 0);
      more[steps[k].first_event[g]] += high[g] - (g > 0 ? high[g - 1] : 0);
    }
  }
  double low_sum = 0;
  double high_sum = 0;
  for (std::size_t e = 0; e < least.size(); ++e) {
    least[e] += low_sum += less[e];
    most[e] += high_sum += more[e];
  }
}

}  // namespace

const ClassRun& ClassBoundary::run_of(int event) const { return runs[run_at(runs, event)]; }

UsageClasses::UsageClasses(const FrontierGraph& graph) {
  for (std::size_t k = 0; k < graph.steps.size(); ++k) order.push_back(k);
  Builder(graph, *this).run({});
  look_ahead(graph, std::vector<char>(graph.options, 1));
}

UsageClasses::UsageClasses(const FrontierGraph& graph, std::size_t cut,
                           const UsageClasses& forward) {
  for (std::size_t k = graph.steps.size(); k-- > cut;) order.push_back(k);
  std::vector<int> kept_apart;
  for (const ClassRun& run : forward.boundaries[cut].runs) kept_apart.push_back(run.first);
  Builder(graph, *this).run(kept_apart);
}

UsageClasses::UsageClasses(const FrontierGraph& graph, bool forward,
                           const std::vector<int>& kept_apart) {
  for (std::size_t k = 0; k < graph.steps.size(); ++k)
    order.push_back(forward ? k : graph.steps.size() - 1 - k);
  std::vector<int> ends;
  for (const int event : kept_apart) {
    ends.push_back(event);
    ends.push_back(event + 1);
  }
  Builder(graph, *this).run(ends);
}

void UsageClasses::look_ahead(const FrontierGraph& graph, const std::vector<char>& allowed,
                              std::span<const ClassStep> before) {
  const auto bracket_step = [&](const ClassStep& shape, std::size_t k, std::vector<double>& least,
                                std::vector<double>& most) {
    bracket(graph.steps[k], shape, allowed.data() + graph.steps[k].first_option, least, most);
  };
  std::vector<double> least = base;
  std::vector<double> most = base;
  hold_before(before, bracket_step, least, most);
  greatest_in_classes(boundaries.back(), least, boundaries.back().least_ahead);
  greatest_in_classes(boundaries.back(), most, boundaries.back().most_ahead);
  std::vector<std::vector<double>> step_most(steps.size());
  for (std::size_t i = steps.size(); i-- > 0;) {
    bracket_step(steps[i], order[i], least, step_most[i]);
    look_back(steps[i], least, boundaries[i + 1].least_ahead, boundaries[i].classes,
              boundaries[i].least_ahead);
    look_back(steps[i], step_most[i], boundaries[i + 1].most_ahead, boundaries[i].classes,
              boundaries[i].most_ahead);
  }
  if (before.empty()) return;
  boundaries.front().most_so_far = {0};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::vector<double>& so_far = boundaries[i].most_so_far;
    std::vector<double>& next = boundaries[i + 1].most_so_far;
    next.assign(boundaries[i + 1].classes, -kInfinity);
    for (std::size_t c = 0; c < next.size(); ++c)
      for (int t = steps[i].first_term[c]; t < steps[i].first_term[c + 1]; ++t) {
        const ClassTerm& term = steps[i].terms[t];
        next[c] = std::max(next[c], so_far[term.from] + step_most[i][term.segment] + term.base);
      }
  }
}

/// The greatest value among the events of each class; a class with the base excludes it.
void UsageClasses::greatest_in_classes(const ClassBoundary& boundary,
                                       const std::vector<double>& values,
                                       std::vector<double>& greatest) const {
  greatest.assign(boundary.classes, -kInfinity);
  for (std::size_t r = 0; r < boundary.runs.size(); ++r) {
    const ClassRun& run = boundary.runs[r];
    const std::size_t end = r + 1 < boundary.runs.size() ? boundary.runs[r + 1].first : base.size();
    for (std::size_t e = run.first; e < end; ++e)
      greatest[run.index] = std::max(greatest[run.index], values[e] - (run.based ? base[e] : 0));
  }
}

}  // namespace mpsearch::solver
