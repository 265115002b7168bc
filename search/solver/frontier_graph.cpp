#include "search/solver/frontier_graph.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <utility>

#include "search/solver/numbering.h"

namespace mpsearch::solver {
namespace {

class GraphBuilder {
 public:
  GraphBuilder(const Problem& problem, const Order& order,
               const std::vector<std::vector<Pick>>& forbidden, std::int64_t most_arcs,
               const Patience& patience)
      : problem_(problem), order_(order), most_arcs_(most_arcs), patience_(patience) {
    graph_.base = problem.base;
    for (int e = 0; e < problem.events; ++e) graph_.events.push_back({e, e});
    graph_.settled.assign(problem.layers.size(), -1);
    own_.resize(problem.layers.size());
    for (std::size_t l = 0; l < problem.layers.size(); ++l)
      for (const ProblemOption& option : problem.layers[l].options) {
        ItemBuilder& own = own_[l].emplace_back();
        own.cost(option.ms, option.sensitivity);
        for (const ByteInterval& i : option.bytes) own.hold(i.first, i.last, i.bytes);
      }
    make_factors(forbidden);
  }

  std::optional<FrontierGraph> build() {
    if (too_wide()) return std::nullopt;
    Nodes nodes{1, {}};
    for (const int layer : order_.layers) {
      nodes = add_step(layer, nodes);
      if (too_wide()) return std::nullopt;
    }
    graph_.items = pool_.items();
    reduce(graph_, std::vector<char>(graph_.options, 1));
    return std::move(graph_);
  }

 private:
  bool too_wide() const { return most_moves_ < 0 || graph_.arcs > most_arcs_ || patience_.over(); }

  void make_factors(const std::vector<std::vector<Pick>>& forbidden) {
    ItemBuilder start;
    const std::vector<std::vector<int>> layers = accessors(problem_);
    for (std::size_t t = 0; t < problem_.tensors.size(); ++t) {
      Factor factor = tensor_factor(problem_, static_cast<int>(t), layers[t], order_, pool_, start,
                                    most_moves_);
      if (too_wide()) return;
      add_factor(std::move(factor));
    }
    for (const ProblemPair& pair : problem_.pairs)
      add_factor(pair_factor(problem_, pair, order_, pool_));
    for (const std::vector<Pick>& picks : forbidden)
      add_factor(forbidden_factor(problem_, picks, order_));
    graph_.start = start.build();
    touching_.resize(problem_.layers.size());
    for (std::size_t f = 0; f < factors_.size(); ++f)
      for (std::size_t p = 0; p < factors_[f].scope.size(); ++p)
        touching_[factors_[f].scope[p]].push_back({static_cast<int>(f), static_cast<int>(p)});
  }

  /// Moves what does not depend on the state into the option's own cost, then merges states.
  void add_factor(Factor factor) {
    for (std::size_t p = 0; p < factor.scope.size(); ++p) {
      const int layer = factor.scope[p];
      const int options = static_cast<int>(problem_.layers[layer].options.size());
      std::vector<Move>& moves = factor.moves[p];
      for (int o = 0; o < options; ++o) {
        int shared = -1;
        for (int s = 0; s < factor.states[p] && shared < 0; ++s)
          if (moves[s * options + o].next >= 0) shared = moves[s * options + o].item;
        if (shared <= 0) continue;
        const Item common = pool_[shared];
        own_[layer][o].add(common);
        for (int s = 0; s < factor.states[p]; ++s) {
          Move& move = moves[s * options + o];
          if (move.next >= 0) move.item = pool_.intern(pool_[move.item], common);
        }
      }
    }
    minimise(factor, problem_);
    factors_.push_back(std::move(factor));
  }

  struct Touch {
    int factor = 0;
    int position = 0;
  };

  /// Each node's states of the open factors, in their order.
  struct Nodes {
    int count = 0;
    std::vector<int> states;  // [node x open factors]
  };

  const Move& move(const Touch& touch, int state, int option) const {
    const Factor& factor = factors_[touch.factor];
    const std::size_t options = problem_.layers[factor.scope[touch.position]].options.size();
    return factor.moves[touch.position][state * options + option];
  }

  void find_signatures(Step& step) const {
    const std::vector<Touch>& touches = touching_[step.layer];
    std::map<std::vector<std::pair<int, int>>, int> known;
    for (std::size_t o = 0; o < problem_.layers[step.layer].options.size(); ++o) {
      std::vector<std::pair<int, int>> key;
      for (const Touch& touch : touches)
        for (int s = 0; s < factors_[touch.factor].states[touch.position]; ++s) {
          const Move& m = move(touch, s, static_cast<int>(o));
          key.emplace_back(m.next, m.item);
        }
      const int next = static_cast<int>(known.size());
      step.signature_of.push_back(known.emplace(std::move(key), next).first->second);
    }
    step.signatures = static_cast<int>(known.size());
  }

  Nodes add_step(int layer, const Nodes& nodes) {
    Step& step = graph_.steps.emplace_back();
    step.layer = layer;
    step.first_option = graph_.options;
    graph_.options += static_cast<int>(own_[layer].size());
    step.nodes = nodes.count;
    for (const ItemBuilder& own : own_[layer]) step.own.push_back(pool_.intern(own.build()));
    find_signatures(step);
    const std::vector<Touch>& touches = touching_[layer];
    // Split the open factors into those that this layer touches and the rest.
    std::vector<int> place(factors_.size(), -1);
    for (std::size_t i = 0; i < open_.size(); ++i) place[open_[i]] = static_cast<int>(i);
    std::vector<char> touched(open_.size(), 0);
    for (const Touch& touch : touches)
      if (place[touch.factor] >= 0) touched[place[touch.factor]] = 1;
    Numbering rows;
    Numbering rests;
    std::vector<int> rest_of;
    std::vector<int> row;
    std::vector<int> rest;
    const int* node = nodes.states.data();
    for (int n = 0; n < nodes.count; ++n, node += open_.size()) {
      row.clear();
      rest.clear();
      for (const Touch& touch : touches)
        row.push_back(place[touch.factor] >= 0 ? node[place[touch.factor]] : 0);
      for (std::size_t i = 0; i < open_.size(); ++i)
        if (touched[i] == 0) rest.push_back(node[i]);
      step.row_of.push_back(rows(row));
      rest_of.push_back(rests(rest));
    }
    step.rows = rows.size();
    Numbering reached;
    const std::vector<int> reached_of = add_cells(step, rows, reached);
    std::vector<int> open;
    for (std::size_t i = 0; i < open_.size(); ++i)
      if (touched[i] == 0) open.push_back(open_[i]);
    for (const Touch& touch : touches)
      if (stays_open(touch)) open.push_back(touch.factor);
    open_ = std::move(open);
    return connect(step, rests, rest_of, reached, reached_of);
  }

  bool stays_open(const Touch& touch) const {
    return static_cast<std::size_t>(touch.position) + 1 < factors_[touch.factor].scope.size();
  }

  /// Fills the cells; returns for each the number of the touched factors' next states, -1:
  /// forbidden.
  std::vector<int> add_cells(Step& step, const Numbering& rows, Numbering& reached) const {
    const std::vector<Touch>& touches = touching_[step.layer];
    std::vector<int> option_of(step.signatures, -1);
    for (std::size_t o = step.signature_of.size(); o-- > 0;)
      option_of[step.signature_of[o]] = static_cast<int>(o);
    std::vector<int> reached_of;
    for (int r = 0; r < step.rows; ++r)
      for (int s = 0; s < step.signatures; ++s) {
        step.cell_start.push_back(static_cast<int>(step.cell_items.size()));
        std::vector<int> next;
        bool allowed = true;
        for (std::size_t i = 0; i < touches.size() && allowed; ++i) {
          const Move& m = move(touches[i], rows.key(r)[i], option_of[s]);
          allowed = m.next >= 0;
          if (stays_open(touches[i])) next.push_back(m.next);
          if (m.item != 0) step.cell_items.push_back(m.item);
        }
        reached_of.push_back(allowed ? reached(next) : -1);
      }
    step.cell_start.push_back(static_cast<int>(step.cell_items.size()));
    return reached_of;
  }

  Nodes connect(Step& step, const Numbering& rests, const std::vector<int>& rest_of,
                const Numbering& reached, const std::vector<int>& reached_of) {
    Nodes next;
    Numbering known;
    step.to.reserve(static_cast<std::size_t>(step.nodes) * step.signatures);
    for (int n = 0; n < step.nodes && graph_.arcs <= most_arcs_; ++n)
      for (int s = 0; s < step.signatures; ++s) {
        ++graph_.arcs;
        const int touch = reached_of[step.row_of[n] * step.signatures + s];
        if (touch < 0) {
          step.to.push_back(-1);
          continue;
        }
        const int to = known(std::array{rest_of[n], touch});
        step.to.push_back(to);
        if (to < next.count) continue;
        ++next.count;
        const std::span<const int> rest = rests.key(rest_of[n]);
        const std::span<const int> touched = reached.key(touch);
        next.states.insert(next.states.end(), rest.begin(), rest.end());
        next.states.insert(next.states.end(), touched.begin(), touched.end());
      }
    return next;
  }

  const Problem& problem_;
  const Order& order_;
  std::int64_t most_arcs_;
  std::int64_t most_moves_ = kMostMoves;
  const Patience& patience_;
  FrontierGraph graph_;
  ItemPool pool_;
  std::vector<std::vector<ItemBuilder>> own_;
  std::vector<Factor> factors_;
  std::vector<std::vector<Touch>> touching_;  // of each layer
  std::vector<int> open_;
};

}  // namespace

std::vector<std::int64_t> held_by_all(const FrontierGraph& graph) {
  std::vector<std::int64_t> bytes;
  std::int64_t held = 0;
  std::size_t step = 0;
  for (std::size_t e = 0; e < graph.base.size(); ++e) {
    while (step < graph.start.steps.size() && graph.start.steps[step].event <= static_cast<int>(e))
      held += graph.start.steps[step++].bytes;
    bytes.push_back(graph.base[e] + held);
  }
  return bytes;
}

std::optional<FrontierGraph> build_graph(const Problem& problem, const Order& order,
                                         const std::vector<std::vector<Pick>>& forbidden,
                                         std::int64_t most_arcs, const Patience& patience) {
  return GraphBuilder(problem, order, forbidden, most_arcs, patience).build();
}

}  // namespace mpsearch::solver
