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
        past_(graph.base.size() + 1, 0),
        least_(graph.base.size(), 0),
        most_(graph.base.size(), 0) {
    double held = 0;
    std::size_t step = 0;
    for (int e = 0; e < events_; ++e) {
      while (step < graph.start.steps.size() && graph.start.steps[step].event <= e)
        held += static_cast<double>(graph.start.steps[step++].bytes);
      out.base.push_back(held + static_cast<double>(graph.base[e]));
    }
  }

  void run() {
    for (const Step& step : graph_.steps) add_step(step);
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) count(k, 1);
    std::vector<int> class_of = add_boundary();
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
      count(k, -1);
      for (const int cut : cuts_[k]) past_[cut] = 1;
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
    out.own.assign(step.own.size() * out.segments, 0);
    for (std::size_t o = 0; o < step.own.size(); ++o)
      hold(graph_.items[step.own[o]], cuts, out.own.data() + o * out.segments);
    const std::size_t cells = static_cast<std::size_t>(step.rows) * step.signatures;
    out.cell.assign(cells * out.segments, 0);
    for (std::size_t c = 0; c < cells; ++c)
      for (int i = step.cell_start[c]; i < step.cell_start[c + 1]; ++i)
        hold(graph_.items[step.cell_items[i]], cuts, out.cell.data() + c * out.segments);
  }

  /// Adds (or takes away) what the step may hold and where it may change.
  void count(std::size_t k, int sign) {
    const Step& step = graph_.steps[k];
    const ClassStep& shape = out_.steps[k];
    for (const int cut : cuts_[k]) ahead_[cut] += sign;
    for (int g = 0; g < shape.segments; ++g) {
      double least = kInfinity;
      double most = -kInfinity;
      for (int s = 0; s < step.signatures; ++s) {
        double low = kInfinity, high = -kInfinity;
        for (std::size_t o = 0; o < step.own.size(); ++o) {
          if (step.signature_of[o] != s) continue;
          low = std::min(low, shape.own[o * shape.segments + g]);
          high = std::max(high, shape.own[o * shape.segments + g]);
        }
        for (int r = 0; r < step.rows; ++r) {
          const double cell =
              shape.cell[(static_cast<std::size_t>(r) * step.signatures + s) * shape.segments + g];
          least = std::min(least, low + cell);
          most = std::max(most, high + cell);
        }
      }
      if (least > most) continue;
      const int first = g == 0 ? 0 : cuts_[k][g - 1];
      const int end = g + 1 == shape.segments ? events_ : cuts_[k][g];
      for (int e = first; e < end; ++e) {
        least_[e] += sign * least;
        most_[e] += sign * most;
      }
    }
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
        out.least_ahead.push_back(-kInfinity);
        out.most_ahead.push_back(-kInfinity);
      }
      past_class = based ? -1 : pasts;
      for (int e = first; e < end; ++e) {
        class_of[e] = out.classes - 1;
        const double base = based ? 0 : out_.base[e];
        out.least_ahead.back() = std::max(out.least_ahead.back(), base + least_[e]);
        out.most_ahead.back() = std::max(out.most_ahead.back(), base + most_[e]);
      }
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
  std::vector<double> least_, most_;    // what the steps to come hold
};

}  // namespace

const ClassRun& ClassBoundary::run_of(int event) const {
  const auto after = std::upper_bound(runs.begin(), runs.end(), event,
                                      [](int e, const ClassRun& run) { return e < run.first; });
  return *(after - 1);
}

UsageClasses::UsageClasses(const FrontierGraph& graph) { Builder(graph, *this).run(); }

}  // namespace mpsearch::solver
