// What the dual's mixed paths use on average on the way through the graph: a guide for beams.
#include <algorithm>
#include <utility>

#include "search/solver/label_search.h"

namespace mpsearch::solver {
namespace {

/// What one path uses of each row before each step; empty where the graph lost it.
std::vector<std::vector<double>> usage_before(const FrontierGraph& graph, const Task& task,
                                              const std::vector<int>& rows,
                                              const std::vector<int>& choice) {
  std::vector<Functional> functional(rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) task.add_row(rows[r], 1, functional[r]);
  std::vector<std::vector<double>> before(rows.size(), {0});
  std::vector<double> sum(rows.size(), 0);
  const auto add = [&](const Item& item) {
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const Functional& f = functional[r];
      sum[r] += f.ms * item.ms + f.sensitivity * item.sensitivity;
      for (const auto& [event, weight] : f.events)
        for (const UsageStep& step : item.steps) {
          if (step.event > event) break;
          sum[r] += weight * static_cast<double>(step.bytes);
        }
    }
  };
  int node = 0;
  for (const Step& step : graph.steps) {
    const int option = choice[step.layer];
    const int signature = step.signature_of[option];
    if (signature < 0) return {};
    const int cell = step.row_of[node] * step.signatures + signature;
    add(graph.items[step.own[option]]);
    for (int i = step.cell_start[cell]; i < step.cell_start[cell + 1]; ++i)
      add(graph.items[step.cell_items[i]]);
    node = step.to[static_cast<std::size_t>(node) * step.signatures + signature];
    if (node < 0) return {};
    for (std::size_t r = 0; r < rows.size(); ++r) before[r].push_back(sum[r]);
  }
  return before;
}

}  // namespace

Guide mean_usage(const FrontierGraph& graph, const Task& task, const DualState& state) {
  Guide guide;
  double total = 0;
  for (std::size_t p = 0; p < state.weight.size(); ++p) {
    if (state.weight[p] <= 0) continue;
    const std::vector<std::vector<double>> before =
        usage_before(graph, task, state.rows, state.paths[p]->choice);
    if (before.empty()) continue;
    guide.before.resize(before.size());
    total += state.weight[p];
    for (std::size_t r = 0; r < before.size(); ++r) {
      guide.before[r].resize(before[r].size(), 0);
      for (std::size_t k = 0; k < before[r].size(); ++k)
        guide.before[r][k] += state.weight[p] * before[r][k];
    }
  }
  for (std::vector<double>& row : guide.before)
    for (double& value : row) value /= total;
  return guide;
}

}  // namespace mpsearch::solver
