#include "search/solver/ties.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "search/solver/factor.h"

namespace mpsearch::solver {
namespace {

/// A tie of more layers is left out: its states are not worth counting for each set of them.
constexpr std::size_t kMostLayers = 64;

/// A combination of more layers is left out: it makes all its layers neighbours, and orders that
/// follow it lose sight of the tensors, while its own state is one bit.
constexpr std::size_t kNarrow = 8;

/// The states of a tie of more layers are not counted but guessed, and of one whose automaton takes
/// more moves.
constexpr std::size_t kMostCounted = 8;
constexpr std::int64_t kMostMovesCounted = 20'000;

double option_bits(const ProblemLayer& layer) {
  return std::log2(static_cast<double>(layer.options.size()));
}

/// The ways in which the layer's options use the tensor, as a power of two.
double use_bits(const ProblemLayer& layer, int tensor) {
  std::set<std::vector<std::vector<int>>> ways;
  for (const ProblemOption& option : layer.options) {
    std::vector<std::vector<int>> way;
    for (const auto* list : {&option.writes, &option.reads})
      for (const TensorAccess& use : *list) {
        if (use.tensor != tensor) continue;
        std::vector<int>& kind = way.emplace_back(use.events);
        kind.push_back(use.form);
        kind.push_back(static_cast<int>(list == &option.reads));
      }
    ways.insert(std::move(way));
  }
  return std::log2(static_cast<double>(ways.size()));
}

/// How the layer's options use the tensor.
TensorUses uses_of(const ProblemLayer& layer, int tensor, std::size_t forms) {
  TensorUses uses{std::vector<std::vector<int>>(forms), 0};
  std::set<int> written;
  for (const ProblemOption& option : layer.options) {
    std::vector<int> last(forms, -1);
    for (const TensorAccess& read : option.reads)
      if (read.tensor == tensor)
        last[read.form] = std::max(last[read.form], *std::ranges::max_element(read.events));
    for (std::size_t f = 0; f < forms; ++f)
      if (last[f] >= 0) uses.last[f].push_back(last[f]);
    for (const TensorAccess& write : option.writes)
      if (write.tensor == tensor) written.insert(write.form);
  }
  for (std::vector<int>& last : uses.last) {
    std::ranges::sort(last);
    last.erase(std::unique(last.begin(), last.end()), last.end());
  }
  uses.written = static_cast<int>(written.size());
  return uses;
}

}  // namespace

Ties::Ties(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden)
    : problem_(problem), forbidden_(forbidden), of_(problem.layers.size()) {
  const std::vector<std::vector<int>> touching = accessors(problem);
  for (std::size_t t = 0; t < touching.size(); ++t)
    add(Kind::Tensor, static_cast<int>(t), touching[t]);
  for (std::size_t p = 0; p < problem.pairs.size(); ++p)
    add(Kind::Pair, static_cast<int>(p), {problem.pairs[p].a, problem.pairs[p].b});
  for (std::size_t f = 0; f < forbidden.size(); ++f) {
    if (forbidden[f].size() > kNarrow) continue;
    std::vector<int> layers;
    for (const Pick& pick : forbidden[f]) layers.push_back(pick.layer);
    add(Kind::Forbidden, static_cast<int>(f), std::move(layers));
  }
  for (const std::vector<TiePlace>& of : of_) joint_.emplace_back(of.size());
}

Ties::Tie::Tie(Kind of, int at, std::vector<int> its_layers)
    : kind(of),
      index(at),
      layers(std::move(its_layers)),
      whole(~Bits{0} >> (kMostLayers - layers.size())),
      state_after(layers.size()),
      bits(layers.size()) {}

void Ties::add(Kind kind, int index, std::vector<int> layers) {
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  const auto full = [&](int layer) { return of_[layer].size() == kMostLayers; };
  if (layers.size() < 2 || layers.size() > kMostLayers || std::ranges::any_of(layers, full)) return;
  const int tie = static_cast<int>(all_.size());
  Tie& added = all_.emplace_back(kind, index, std::move(layers));
  const std::size_t count = added.layers.size();
  for (std::size_t p = 0; p < count; ++p) {
    std::vector<TiePlace>& of = of_[added.layers[p]];
    added.rank.push_back(static_cast<int>(of.size()));
    of.push_back({tie, static_cast<int>(p)});
  }
  tell(added);
}

/// What each layer's options tell of the tie.
void Ties::tell(Tie& tie) const {
  for (const int layer : tie.layers) {
    const double bits = option_bits(problem_.layers[layer]);
    if (tie.kind == Kind::Pair) tie.told.push_back(bits);
    if (tie.kind == Kind::Forbidden) tie.told.push_back(1);
    if (tie.kind != Kind::Tensor) continue;
    tie.told.push_back(use_bits(problem_.layers[layer], tie.index));
    tie.uses.push_back(
        uses_of(problem_.layers[layer], tie.index, problem_.tensors[tie.index].forms.size()));
  }
}

/// A combination is taken so far or not, a pair has the states of one layer. A tensor has the form
/// that is written, and of each form the last use so far; where no other layer can use it later,
/// that it was used.
double Ties::guess(const Tie& tie, Bits done) const {
  double told = 0;
  for (Bits rest = done; rest != 0; rest &= rest - 1) told += tie.told[std::countr_zero(rest)];
  if (tie.kind == Kind::Forbidden) return std::min(told, 1.0);
  if (tie.kind == Kind::Pair) return std::min(told, *std::ranges::max_element(tie.told));
  double states = 1;
  std::vector<int> ends;
  for (std::size_t f = 0; f < problem_.tensors[tie.index].forms.size(); ++f) {
    ends.clear();
    int latest = -1;  // of the others
    for (std::size_t p = 0; p < tie.uses.size(); ++p) {
      const std::vector<int>& uses = tie.uses[p].last[f];
      if ((done >> p & 1) != 0)
        ends.insert(ends.end(), uses.begin(), uses.end());
      else if (!uses.empty())
        latest = std::max(latest, uses.back());
    }
    for (int& end : ends) end = std::min(end, latest);
    std::ranges::sort(ends);
    states *= static_cast<double>(std::ranges::unique(ends).begin() - ends.begin() + 1);
  }
  for (Bits rest = done; rest != 0; rest &= rest - 1)
    states *= std::max(1, tie.uses[std::countr_zero(rest)].written);
  return std::min(told, std::log2(states));
}

/// From now on states are counted.
void Ties::count() {
  counted_ = true;
  for (Tie& tie : all_) tie.bits.clear();
  for (SetTable& joint : joint_) joint.clear();
}

/// Takes the tie's layers in an order that begins with `done`.
void Ties::count(Tie& tie, Bits done) const {
  std::vector<int> places;
  for (const bool first : {true, false})
    for (std::size_t p = 0; p < tie.layers.size(); ++p)
      if (((done >> p & 1) != 0) == first) places.push_back(static_cast<int>(p));
  Order order;
  order.position.resize(problem_.layers.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    order.position[tie.layers[places[i]]] = static_cast<int>(i);
  const auto eliminated = static_cast<std::size_t>(std::popcount(done));
  const StateCounts counts = tie.kind == Kind::Tensor ? count_tensor(tie, order, eliminated)
                                                      : count_other(tie, order, eliminated);
  if (counts.states.empty()) {
    tie.bits.put(done, guess(tie, done));
    return;
  }
  Bits before = 0;
  for (std::size_t i = 0; i < eliminated; ++i) {
    before |= Bits{1} << places[i];
    tie.bits.put(before, std::log2(std::max(1.0, static_cast<double>(counts.states[i]))));
  }
  tie.state_after[places.front()] = counts.first;
}

/// Empty where that would take too long.
StateCounts Ties::count_tensor(const Tie& tie, const Order& order, std::size_t eliminated) const {
  if (tie.layers.size() > kMostCounted) return {};
  std::int64_t moves = kMostMovesCounted;
  StateCounts counts = count_states(problem_, tie.index, tie.layers, order, eliminated, moves);
  return moves < 0 ? StateCounts{} : counts;
}

StateCounts Ties::count_other(const Tie& tie, const Order& order, std::size_t eliminated) const {
  ItemPool pool;
  Factor factor = tie.kind == Kind::Pair
                      ? pair_factor(problem_, problem_.pairs[tie.index], order, pool)
                      : forbidden_factor(problem_, forbidden_[tie.index], order);
  minimise(factor, problem_);
  StateCounts counts;
  for (std::size_t i = 1; i <= eliminated; ++i) counts.states.push_back(factor.states[i]);
  for (const Move& move : factor.moves.front()) counts.first.push_back(move.next);
  return counts;
}

double Ties::find_bits(int tie, Bits done) {
  if (counted_)
    count(all_[tie], done);
  else
    all_[tie].bits.put(done, guess(all_[tie], done));
  return all_[tie].bits.at(done);
}

double Ties::find_joint_bits(int layer, Bits ties) {
  double sum = 0;
  std::vector<std::vector<int>> states(problem_.layers[layer].options.size());
  for (Bits rest = ties; rest != 0; rest &= rest - 1) {
    const auto [tie, place] = of_[layer][std::countr_zero(rest)];
    sum += bits(tie, Bits{1} << place);
    const std::vector<int>& alone = all_[tie].state_after[place];
    for (std::size_t o = 0; o < states.size(); ++o)
      states[o].push_back(alone.empty() ? static_cast<int>(o) : alone[o]);
  }
  const std::set<std::vector<int>> different(states.begin(), states.end());
  joint_[layer].put(ties, std::min(sum, std::log2(static_cast<double>(different.size()))));
  return joint_[layer].at(ties);
}

}  // namespace mpsearch::solver
