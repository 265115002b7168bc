// Makes a frontier graph as small as what is left of it: nodes on no path go, nodes with equal
// futures merge, and rows, signatures and items that nobody uses go too.
#include <algorithm>
#include <utility>

#include "search/solver/frontier_graph.h"
#include "search/solver/numbering.h"

namespace mpsearch::solver {
namespace {

class Reduction {
 public:
  Reduction(FrontierGraph& graph, const std::vector<char>& allowed)
      : graph_(graph), allowed_(allowed) {
    for (const Step& step : graph.steps) {
      std::vector<char>& used = used_.emplace_back(step.signatures, 0);
      for (std::size_t o = 0; o < step.own.size(); ++o)
        if (allowed[step.first_option + o] != 0 && step.signature_of[o] >= 0)
          used[step.signature_of[o]] = 1;
    }
  }

  void run() {
    mark_reached();
    std::vector<int> kept = {0};  // new index of the nodes after the step, -1: dead
    for (std::size_t k = graph_.steps.size(); k-- > 0;) kept = merge_nodes(k, kept);
    std::vector<int> item_index(graph_.items.size(), -1);
    std::vector<Item> items = {Item{}};
    item_index[0] = 0;
    const auto renumber = [&](int& item) {
      int& index = item_index[item];
      if (index < 0) {
        index = static_cast<int>(items.size());
        items.push_back(std::move(graph_.items[item]));
      }
      item = index;
    };
    graph_.arcs = 0;
    for (Step& step : graph_.steps) {
      for (std::size_t o = 0; o < step.own.size(); ++o)
        if (allowed_[step.first_option + o] == 0) step.signature_of[o] = -1;
      drop_unused(step);
      for (int& item : step.cell_items) renumber(item);
      for (std::size_t o = 0; o < step.own.size(); ++o)
        if (step.signature_of[o] >= 0)
          renumber(step.own[o]);
        else
          step.own[o] = 0;
      graph_.arcs += static_cast<std::int64_t>(step.to.size());
    }
    graph_.items = std::move(items);
  }

 private:
  void mark_reached() {
    reached_.push_back(std::vector<char>(graph_.steps.front().nodes, 1));
    for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
      const Step& step = graph_.steps[k];
      const int after = k + 1 < graph_.steps.size() ? graph_.steps[k + 1].nodes : 1;
      std::vector<char>& next = reached_.emplace_back(after, 0);
      for (int n = 0; n < step.nodes; ++n)
        for (int s = 0; s < step.signatures && reached_[k][n] != 0; ++s) {
          const int to = step.to[static_cast<std::size_t>(n) * step.signatures + s];
          if (to >= 0 && used_[k][s] != 0) next[to] = 1;
        }
    }
  }

  std::vector<int> merge_nodes(std::size_t k, const std::vector<int>& kept) {
    Step& step = graph_.steps[k];
    Numbering cells;
    std::vector<int> cell_number;
    for (std::size_t c = 0; c + 1 < step.cell_start.size(); ++c) {
      std::vector<int> content(step.cell_items.begin() + step.cell_start[c],
                               step.cell_items.begin() + step.cell_start[c + 1]);
      std::sort(content.begin(), content.end());
      cell_number.push_back(cells(content));
    }
    Numbering futures;
    std::vector<int> merged(step.nodes, -1);
    std::vector<int> row_of;
    std::vector<int> to;
    std::vector<int> future(2 * static_cast<std::size_t>(step.signatures));
    for (int n = 0; n < step.nodes; ++n) {
      if (reached_[k][n] == 0) continue;
      bool alive = false;
      for (int s = 0; s < step.signatures; ++s) {
        const int old = step.to[static_cast<std::size_t>(n) * step.signatures + s];
        const int next = old < 0 || used_[k][s] == 0 ? -1 : kept[old];
        alive = alive || next >= 0;
        future[2 * s] = next;
        future[2 * s + 1] = next < 0 ? -1 : cell_number[step.row_of[n] * step.signatures + s];
      }
      if (!alive) continue;
      const int count = futures.size();
      merged[n] = futures(future);
      if (futures.size() == count) continue;
      row_of.push_back(step.row_of[n]);
      for (int s = 0; s < step.signatures; ++s) to.push_back(future[2 * s]);
    }
    step.nodes = futures.size();
    step.row_of = std::move(row_of);
    step.to = std::move(to);
    return merged;
  }

  /// Signatures without an arc and rows without a node go.
  static void drop_unused(Step& step) {
    std::vector<int> old_signature;
    std::vector<int> new_signature(step.signatures, -1);
    for (int s = 0; s < step.signatures; ++s) {
      bool any = false;
      for (int n = 0; n < step.nodes && !any; ++n)
        any = step.to[static_cast<std::size_t>(n) * step.signatures + s] >= 0;
      if (!any) continue;
      new_signature[s] = static_cast<int>(old_signature.size());
      old_signature.push_back(s);
    }
    std::vector<int> new_row(step.rows, -1);
    std::vector<int> start;
    std::vector<int> items;
    std::vector<int> to;
    int rows = 0;
    for (int n = 0; n < step.nodes; ++n) {
      int& row = step.row_of[n];
      for (const int s : old_signature)
        to.push_back(step.to[static_cast<std::size_t>(n) * step.signatures + s]);
      if (new_row[row] < 0) {
        new_row[row] = rows++;
        for (const int s : old_signature) {
          const int cell = row * step.signatures + s;
          start.push_back(static_cast<int>(items.size()));
          items.insert(items.end(), step.cell_items.begin() + step.cell_start[cell],
                       step.cell_items.begin() + step.cell_start[cell + 1]);
        }
      }
      row = new_row[row];
    }
    start.push_back(static_cast<int>(items.size()));
    for (int& s : step.signature_of)
      if (s >= 0) s = new_signature[s];
    step.signatures = static_cast<int>(old_signature.size());
    step.rows = rows;
    step.to = std::move(to);
    step.cell_start = std::move(start);
    step.cell_items = std::move(items);
  }

  FrontierGraph& graph_;
  const std::vector<char>& allowed_;
  std::vector<std::vector<char>> used_;     // [step][signature]: by an allowed option
  std::vector<std::vector<char>> reached_;  // [step][node]
};

}  // namespace

void reduce(FrontierGraph& graph, const std::vector<char>& allowed) {
  Reduction(graph, allowed).run();
}

}  // namespace mpsearch::solver
