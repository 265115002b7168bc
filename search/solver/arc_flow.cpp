#include "search/solver/arc_flow.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The byte limit as the solver sees it: its absolute tolerance of 1e-7 is then one part in 1e11.
constexpr double kLimit = 1e4;

class FlowBuilder {
 public:
  FlowBuilder(const FrontierGraph& graph, const Problem& problem)
      : graph_(graph),
        problem_(problem),
        unit_(kLimit / static_cast<double>(std::max<std::int64_t>(1, problem.limits.bytes))),
        change_(static_cast<std::size_t>(problem.events)) {}

  LinearModel build() {
    model_.base.assign(static_cast<std::size_t>(problem_.events), 0);
    model_.first_option.assign(problem_.layers.size(), 0);
    const int fixed = add_column("start", false, graph_.start);
    model_.columns[fixed].lower = 1;
    std::vector<std::vector<Entry>> into(1);  // arcs that lead to each node
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) into = add_step(k, into);
    add_usage();
    return std::move(model_);
  }

 private:
  int add_column(std::string name, bool integer, const Item& item) {
    const int column = static_cast<int>(model_.columns.size());
    model_.columns.push_back({std::move(name), integer, item.ms, item.sensitivity, {}});
    for (const UsageStep& step : item.steps)
      if (step.event < problem_.events)
        change_[static_cast<std::size_t>(step.event)].push_back(
            {column, static_cast<double>(step.bytes)});
    return column;
  }

  std::vector<std::vector<Entry>> add_step(std::size_t k, std::vector<std::vector<Entry>>& into) {
    const Step& step = graph_.steps[k];
    Row one{{}, 1, 1};
    std::vector<Row> signature(step.signatures, Row{{}, 0, 0});
    model_.first_option[step.layer] = static_cast<int>(model_.columns.size());
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      const int x =
          add_column(fmt::format("x{}_{}", step.layer, o), true, graph_.items[step.own[o]]);
      if (step.signature_of[o] < 0) {
        model_.columns[x].upper = 0;
        continue;
      }
      one.entries.push_back({x, 1});
      signature[step.signature_of[o]].entries.push_back({x, -1});
    }
    std::vector<Row> cell(static_cast<std::size_t>(step.rows) * step.signatures, Row{{}, 0, 0});
    int nodes = 0;
    for (const int to : step.to) nodes = std::max(nodes, to + 1);
    std::vector<std::vector<Entry>> next(nodes);
    for (int n = 0; n < step.nodes; ++n) {
      Row balance{std::move(into[n]), 0, 0};
      if (k == 0) balance = {{}, -1, -1};
      for (int s = 0; s < step.signatures; ++s) {
        const int to = step.to[static_cast<std::size_t>(n) * step.signatures + s];
        if (to < 0) continue;
        const int f = add_column(fmt::format("f{}_{}_{}", k, n, s), false, {});
        balance.entries.push_back({f, -1});
        signature[s].entries.push_back({f, 1});
        cell[static_cast<std::size_t>(step.row_of[n]) * step.signatures + s].entries.push_back(
            {f, 1});
        next[to].push_back({f, 1});
      }
      model_.rows.push_back(std::move(balance));
    }
    model_.rows.push_back(std::move(one));
    for (Row& row : signature)
      if (!row.entries.empty()) model_.rows.push_back(std::move(row));
    add_cells(k, cell);
    return next;
  }

  /// A column for each shared cost: the flow through all arcs that pay it.
  void add_cells(std::size_t k, std::vector<Row>& cells) {
    const Step& step = graph_.steps[k];
    for (std::size_t c = 0; c < cells.size(); ++c) {
      ItemBuilder paid;
      for (int i = step.cell_start[c]; i < step.cell_start[c + 1]; ++i)
        paid.add(graph_.items[step.cell_items[i]]);
      const Item item = paid.build();
      if (item.empty() || cells[c].entries.empty()) continue;
      cells[c].entries.push_back({add_column(fmt::format("c{}_{}", k, c), false, item), -1});
      model_.rows.push_back(std::move(cells[c]));
    }
  }

  bool may_rise(std::size_t event) const {
    if (event == 0 || graph_.base[event] > graph_.base[event - 1]) return true;
    return std::ranges::any_of(change_[event], [](const Entry& e) { return e.factor > 0; });
  }

  /// Where usage cannot rise it needs no bound: those events join the next that can.
  void add_usage() {
    int before = -1;
    double base_before = 0;
    std::map<int, double> since;
    for (std::size_t e = 0; e < change_.size(); ++e) {
      for (const Entry& entry : change_[e]) since[entry.column] += entry.factor;
      if (!may_rise(e)) continue;
      const int usage = add_column(fmt::format("u{}", e), false, {});
      model_.columns[usage].lower = -kInfinity;
      model_.columns[usage].upper = static_cast<double>(problem_.limits.bytes) * unit_;
      const double base = static_cast<double>(graph_.base[e]);
      Row row{{{usage, 1}}, (base - base_before) * unit_, (base - base_before) * unit_};
      if (before >= 0) row.entries.push_back({before, -1});
      for (const auto& [column, bytes] : since)
        if (bytes != 0) row.entries.push_back({column, -bytes * unit_});
      model_.rows.push_back(std::move(row));
      since.clear();
      before = usage;
      base_before = base;
    }
  }

  const FrontierGraph& graph_;
  const Problem& problem_;
  double unit_;
  LinearModel model_;
  std::vector<std::vector<Entry>> change_;  // what changes the usage at each event
};

}  // namespace

LinearModel arc_flow_model(const FrontierGraph& graph, const Problem& problem) {
  return FlowBuilder(graph, problem).build();
}

}  // namespace mpsearch::solver
