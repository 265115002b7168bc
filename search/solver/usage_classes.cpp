#include "search/solver/usage_classes.h"

#include <algorithm>
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

class Builder {
 public:
  Builder(const FrontierGraph& graph, UsageClasses& out)
      : graph_(graph),
        out_(out),
        events_(static_cast<int>(graph.base.size())),
        ahead_(graph.base.size() + 1, 0),
        past_(graph.base.size() + 1, 0) {
    double held = 0;
    std::size_t step = 0;
    for (int e = 0; e < events_; ++e) {
      while (step < graph.start.steps.size() && graph.start.steps[step].event <= e)
        held += static_cast<double>(graph.start.steps[step++].bytes);
      out.base.push_back(held + static_cast<double>(graph.base[e]));
    }
  }

  /// Events before each of which a class must end.
  void run(const std::vector<int>& kept_apart) {
    for (const std::size_t k : out_.order) add_step(graph_.steps[k]);
    for (const std::vector<int>& cuts : cuts_)
      for (const int cut : cuts) ++ahead_[cut];
    for (const int event : kept_apart) ++ahead_[event];
    std::vector<int> class_of = add_boundary();
    for (std::size_t k = 0; k < out_.order.size(); ++k) {
      for (const int cut : cuts_[k]) {
        --ahead_[cut];
        past_[cut] = 1;
      }
      std::vector<int> next = add_boundary();
      add_terms(k, class_of, next);
      class_of = std::move(next);
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

  /// Returns the class of each event.
  std::vector<int> add_boundary() {
    ClassBoundary& out = out_.boundaries.emplace_back();
    std::vector<int> class_of(events_);
    int past_class = -1;  // of the last class without base
    int pasts = 0;
    for (int first = 0, end = 0; first < events_; first = end) {
      if (past_[first] != 0) ++pasts;
      const int past_at_first = pasts;
      for (end = first + 1; end < events_ && ahead_[end] == 0; ++end) pasts += past_[end];
      const bool based = pasts != past_at_first;
      if (based || past_class != pasts) {
        out.runs.push_back({first, out.classes++, based});
      }
      past_class = based ? -1 : pasts;
      for (int e = first; e < end; ++e) class_of[e] = out.classes - 1;
    }
    return class_of;
  }

  void add_terms(std::size_t k, const std::vector<int>& before, const std::vector<int>& after) {
    ClassStep& out = out_.steps[k];
    const ClassBoundary& from = out_.boundaries[k];
    const ClassBoundary& to = out_.boundaries[k + 1];
    int segment = 0;
    int now = -1;
    for (int e = 0; e < events_; ++e) {
      while (segment + 1 < out.segments && cuts_[k][segment] <= e) ++segment;
      if (after[e] != now) {
        now = after[e];
        out.first_term.push_back(static_cast<int>(out.terms.size()));
      }
      const bool gains_base = to.runs[now].based && !from.runs[before[e]].based;
      const double base = gains_base ? out_.base[e] : 0;
      const bool fresh = static_cast<int>(out.terms.size()) == out.first_term.back() ||
                         out.terms.back().from != before[e] || out.terms.back().segment != segment;
      if (fresh) out.terms.push_back({before[e], segment, base});
      out.terms.back().base = std::max(out.terms.back().base, base);
    }
    out.first_term.push_back(static_cast<int>(out.terms.size()));
  }

  const FrontierGraph& graph_;
  UsageClasses& out_;
  int events_;
  std::vector<std::vector<int>> cuts_;  // of each step: events at which its usage may change
  std::vector<int> ahead_;              // how many steps to come may change at each event
  std::vector<char> past_;              // whether a step done may
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

}  // namespace

const ClassRun& ClassBoundary::run_of(int event) const {
  const auto after = std::upper_bound(runs.begin(), runs.end(), event,
                                      [](int e, const ClassRun& run) { return e < run.first; });
  return *(after - 1);
}

UsageClasses::UsageClasses(const FrontierGraph& graph) {
  for (std::size_t k = 0; k < graph.steps.size(); ++k) order.push_back(k);
  Builder(graph, *this).run({});
  std::size_t options = 0;
  for (const Step& step : graph.steps) options += step.own.size();
  look_ahead(graph, std::vector<char>(options, 1));
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
  const int events = static_cast<int>(base.size());
  std::vector<std::size_t> first_option = {0};
  for (const Step& step : graph.steps)
    first_option.push_back(first_option.back() + step.own.size());
  std::vector<double> step_least;
  std::vector<double> step_most;
  const auto add = [&](const ClassStep& shape, std::size_t k, std::vector<double>& least,
                       std::vector<double>& most) {
    bracket(graph.steps[k], shape, allowed.data() + first_option[k], step_least, step_most);
    for (int g = 0; g < shape.segments; ++g) {
      const int end = g + 1 < shape.segments ? shape.first_event[g + 1] : events;
      for (int e = shape.first_event[g]; e < end; ++e) {
        least[e] += step_least[g];
        most[e] += step_most[g];
      }
    }
  };
  std::vector<double> least = base;
  std::vector<double> most = base;
  for (std::size_t k = 0; k < before.size(); ++k) add(before[k], k, least, most);
  for (std::size_t i = steps.size();; --i) {
    ClassBoundary& boundary = boundaries[i];
    greatest_in_classes(boundary, least, true, boundary.least_ahead);
    greatest_in_classes(boundary, most, true, boundary.most_ahead);
    if (i == 0) break;
    add(steps[i - 1], order[i - 1], least, most);
  }
  if (before.empty()) return;
  least.assign(events, 0);
  most.assign(events, 0);
  for (std::size_t i = 0;; ++i) {
    greatest_in_classes(boundaries[i], most, false, boundaries[i].most_so_far);
    if (i == steps.size()) return;
    add(steps[i], order[i], least, most);
  }
}

/// The greatest value among the events of each class, given those of all events, which hold the
/// base or not.
void UsageClasses::greatest_in_classes(const ClassBoundary& boundary,
                                       const std::vector<double>& values, bool hold_base,
                                       std::vector<double>& greatest) const {
  greatest.assign(boundary.classes, -kInfinity);
  for (std::size_t r = 0; r < boundary.runs.size(); ++r) {
    const ClassRun& run = boundary.runs[r];
    const std::size_t end = r + 1 < boundary.runs.size() ? boundary.runs[r + 1].first : base.size();
    // What is ahead of a class with the base excludes it; what such a class holds includes it.
    const double sign = !run.based ? 0 : hold_base ? -1 : 1;
    double most[4] = {-kInfinity, -kInfinity, -kInfinity, -kInfinity};  // none waits for another
    std::size_t e = run.first;
    for (; e + 4 <= end; e += 4)
      for (std::size_t i = 0; i < 4; ++i)
        most[i] = std::max(most[i], values[e + i] + sign * base[e + i]);
    for (; e < end; ++e) most[0] = std::max(most[0], values[e] + sign * base[e]);
    for (const double value : most) greatest[run.index] = std::max(greatest[run.index], value);
  }
}

}  // namespace mpsearch::solver
