#include "search/solver/factor.h"

#include <algorithm>
#include <map>

namespace mpsearch::solver {
namespace {

std::vector<int> in_order(std::vector<int> layers, const Order& order) {
  std::sort(layers.begin(), layers.end(),
            [&](int a, int b) { return order.position[a] < order.position[b]; });
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

}  // namespace

std::vector<std::vector<int>> accessors(const Problem& problem) {
  std::vector<std::vector<int>> layers(problem.tensors.size());
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    const auto add = [&](const TensorAccess& access) {
      std::vector<int>& known = layers[access.tensor];
      if (known.empty() || known.back() != static_cast<int>(l))
        known.push_back(static_cast<int>(l));
    };
    for (const ProblemOption& option : problem.layers[l].options) {
      for (const TensorAccess& access : option.writes) add(access);
      for (const TensorAccess& access : option.reads) add(access);
    }
  }
  return layers;
}

Factor pair_factor(const Problem& problem, const ProblemPair& pair, const Order& order,
                   ItemPool& pool) {
  Factor factor;
  factor.scope = in_order({pair.a, pair.b}, order);
  const int options = static_cast<int>(problem.layers[factor.scope[0]].options.size());
  const auto items_of = [&](int a_option, int b_option) {
    ItemBuilder builder;
    for (const PairTerm& term : pair.terms) {
      if (term.a_option != a_option || term.b_option != b_option) continue;
      builder.cost(term.ms, term.sensitivity);
      for (const ByteInterval& i : term.bytes) builder.hold(i.first, i.last, i.bytes);
    }
    return pool.intern(builder.build());
  };
  factor.states.push_back(1);
  std::vector<Move>& first = factor.moves.emplace_back();
  if (pair.a == pair.b) {
    for (int o = 0; o < options; ++o) first.push_back({0, items_of(o, o)});
    return factor;
  }
  for (int o = 0; o < options; ++o) first.push_back({o, 0});
  factor.states.push_back(options);
  std::vector<Move>& second = factor.moves.emplace_back();
  const int others = static_cast<int>(problem.layers[factor.scope[1]].options.size());
  const bool a_first = factor.scope[0] == pair.a;
  for (int o = 0; o < options; ++o)
    for (int p = 0; p < others; ++p)
      second.push_back({0, a_first ? items_of(o, p) : items_of(p, o)});
  return factor;
}

Factor forbidden_factor(const Problem& problem, const std::vector<Pick>& picks,
                        const Order& order) {
  Factor factor;
  std::vector<int> layers;
  for (const Pick& pick : picks) layers.push_back(pick.layer);
  factor.scope = in_order(std::move(layers), order);
  for (std::size_t p = 0; p < factor.scope.size(); ++p) {
    const int layer = factor.scope[p];
    const bool last = p + 1 == factor.scope.size();
    const int options = static_cast<int>(problem.layers[layer].options.size());
    // State 0: all picks taken so far (at first the only one); state 1: one was not.
    factor.states.push_back(p == 0 ? 1 : 2);
    std::vector<Move>& moves = factor.moves.emplace_back();
    for (int state = 0; state < factor.states.back(); ++state)
      for (int o = 0; o < options; ++o) {
        const bool taken = std::all_of(picks.begin(), picks.end(), [&](const Pick& pick) {
          return pick.layer != layer || pick.option == o;
        });
        const bool matches = state == 0 && taken;
        moves.push_back({last ? (matches ? -1 : 0) : (matches ? 0 : 1), 0});
      }
  }
  return factor;
}

void minimise(Factor& factor, const Problem& problem) {
  for (std::size_t p = factor.scope.size(); p-- > 1;) {
    const std::size_t options = problem.layers[factor.scope[p]].options.size();
    std::map<std::vector<std::pair<int, int>>, int> known;
    std::vector<int> merged(factor.states[p]);
    std::vector<Move> kept;
    for (int s = 0; s < factor.states[p]; ++s) {
      const Move* const row = factor.moves[p].data() + s * options;
      std::vector<std::pair<int, int>> key;
      for (std::size_t o = 0; o < options; ++o) key.emplace_back(row[o].next, row[o].item);
      const auto [entry, fresh] = known.emplace(std::move(key), static_cast<int>(known.size()));
      merged[s] = entry->second;
      if (fresh) kept.insert(kept.end(), row, row + options);
    }
    factor.states[p] = static_cast<int>(known.size());
    factor.moves[p] = std::move(kept);
    for (Move& move : factor.moves[p - 1])
      if (move.next >= 0) move.next = merged[move.next];
  }
}

}  // namespace mpsearch::solver
