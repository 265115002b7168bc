// Leaves of a frontier graph only what is still to be decided. Deep in branch and bound that is a
// small part of it, and everything done in a node costs so much less.
#include <optional>
#include <utility>

#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {
namespace {

class Contraction {
 public:
  Contraction(FrontierGraph& graph, std::vector<char>& allowed) : graph_(graph), allowed_(allowed) {
    start_.add(graph.start);
  }

  void run() {
    drop_lost_options();
    if (graph_.steps.front().nodes == 0) return;
    settle_layers();
    for (Step& step : graph_.steps) share_costs(step);
    graph_.start = start_.build();
    graph_.items = pool_.items();
    merge_events();
    graph_.arcs = 0;
    for (const Step& step : graph_.steps) graph_.arcs += static_cast<std::int64_t>(step.to.size());
  }

 private:
  void drop_lost_options() {
    for (const Step& step : graph_.steps)
      for (std::size_t o = 0; o < step.own.size(); ++o)
        if (step.signature_of[o] < 0) allowed_[step.first_option + o] = 0;
  }

  /// The one option that is left, or -1.
  static int only_option(const Step& step) {
    int only = -1;
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      if (step.signature_of[o] < 0) continue;
      if (only >= 0) return -1;
      only = static_cast<int>(o);
    }
    return only;
  }

  void pay_cell(const Step& step, int cell) {
    for (int i = step.cell_start[cell]; i < step.cell_start[cell + 1]; ++i)
      start_.add(graph_.items[step.cell_items[i]]);
  }

  void settle_layers() {
    std::vector<Step> kept;
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
      Step& step = graph_.steps[k];
      const int option = only_option(step);
      Step* const next = k + 1 < graph_.steps.size() ? &graph_.steps[k + 1] : nullptr;
      const bool joins_last = !kept.empty() && step.rows == 1;
      const bool joins_next = !joins_last && next != nullptr &&
                              (kept.empty() || step.nodes * next->signatures <=
                                                   step.nodes + next->nodes * next->signatures);
      if (option < 0 || (!joins_last && !joins_next)) {
        kept.push_back(std::move(step));
        continue;
      }
      graph_.settled[step.layer] = option;
      start_.add(graph_.items[step.own[option]]);
      if (joins_last) {
        pay_cell(step, 0);
        for (int& to : kept.back().to)
          if (to >= 0) to = step.to[to];
      } else {
        *next = join(step, *next);
      }
    }
    graph_.steps = std::move(kept);
  }

  /// One step for two, of which the first is without a choice. A row stands for one of each.
  static Step join(const Step& first, const Step& second) {
    Step step = second;
    step.nodes = first.nodes;
    step.rows = 0;
    step.row_of.clear();
    step.to.clear();
    step.cell_start.clear();
    step.cell_items.clear();
    std::vector<int> rows(static_cast<std::size_t>(first.rows) * second.rows, -1);
    const auto append = [&](const Step& from, int cell) {
      step.cell_items.insert(step.cell_items.end(), from.cell_items.begin() + from.cell_start[cell],
                             from.cell_items.begin() + from.cell_start[cell + 1]);
    };
    for (int n = 0; n < first.nodes; ++n) {
      const int middle = first.to[n];
      const auto arcs = second.to.begin() + static_cast<std::ptrdiff_t>(middle) * second.signatures;
      step.to.insert(step.to.end(), arcs, arcs + second.signatures);
      int& row =
          rows[static_cast<std::size_t>(first.row_of[n]) * second.rows + second.row_of[middle]];
      if (row < 0) {
        row = step.rows++;
        for (int s = 0; s < second.signatures; ++s) {
          step.cell_start.push_back(static_cast<int>(step.cell_items.size()));
          append(first, first.row_of[n]);
          append(second, second.row_of[middle] * second.signatures + s);
        }
      }
      step.row_of.push_back(row);
    }
    step.cell_start.push_back(static_cast<int>(step.cell_items.size()));
    return step;
  }

  Item cell_of(const Step& step, int cell) const {
    const int first = step.cell_start[cell];
    const int end = step.cell_start[cell + 1];
    if (end == first + 1) return graph_.items[step.cell_items[first]];
    ItemBuilder sum;
    for (int i = first; i < end; ++i) sum.add(graph_.items[step.cell_items[i]]);
    return sum.build();
  }

  /// What a signature costs in the first row is its options' own, and what the first option costs
  /// is paid by every choice.
  void share_costs(Step& step) {
    std::vector<Item> shared;
    std::vector<int> start;
    std::vector<int> items;
    for (int s = 0; s < step.signatures; ++s) shared.push_back(cell_of(step, s));
    for (int c = 0; c < step.rows * step.signatures; ++c) {
      start.push_back(static_cast<int>(items.size()));
      if (c < step.signatures) continue;
      const int item = pool_.intern(cell_of(step, c), shared[c % step.signatures]);
      if (item != 0) items.push_back(item);
    }
    start.push_back(static_cast<int>(items.size()));
    step.cell_start = std::move(start);
    step.cell_items = std::move(items);
    std::optional<Item> first;
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      if (step.signature_of[o] < 0) continue;
      ItemBuilder whole;
      whole.add(graph_.items[step.own[o]]);
      whole.add(shared[step.signature_of[o]]);
      const Item own = whole.build();
      if (!first) start_.add(first.emplace(own));
      step.own[o] = pool_.intern(own, *first);
    }
  }

  /// What is paid at the start goes into the base.
  void merge_events() {
    const std::size_t events = graph_.base.size();
    std::vector<char> begins(events, 0);
    if (events > 0) begins[0] = 1;
    for (const Item& item : graph_.items)
      for (const UsageStep& step : item.steps)
        if (step.event < static_cast<int>(events)) begins[step.event] = 1;
    const std::vector<std::int64_t> held = held_by_all(graph_);
    std::vector<std::int64_t> base;
    std::vector<EventRun> runs;
    std::vector<int> renumbered;
    for (std::size_t e = 0; e < events; ++e) {
      if (begins[e] != 0) {
        base.push_back(held[e]);
        runs.push_back(graph_.events[e]);
      } else if (held[e] > base.back()) {
        base.back() = held[e];
        runs.back().fullest = graph_.events[e].fullest;
      }
      renumbered.push_back(static_cast<int>(base.size()) - 1);
    }
    renumbered.push_back(static_cast<int>(base.size()));
    for (Item& item : graph_.items)
      for (UsageStep& usage : item.steps) usage.event = renumbered[usage.event];
    graph_.start.steps.clear();
    graph_.base = std::move(base);
    graph_.events = std::move(runs);
  }

  FrontierGraph& graph_;
  std::vector<char>& allowed_;
  ItemBuilder start_;
  ItemPool pool_;
};

}  // namespace

void contract(FrontierGraph& graph, std::vector<char>& allowed) {
  reduce(graph, allowed);
  Contraction(graph, allowed).run();
}

}  // namespace mpsearch::solver
