#include "search/solver/frontier_width.h"

#include <cmath>
#include <set>
#include <utility>

#include "search/solver/factor.h"

namespace mpsearch::solver {
namespace {

/// A wider combination is left out: it makes all its layers neighbours, and orders that follow it
/// lose sight of the tensors, while its own state is one bit.
constexpr std::size_t kNarrow = 8;

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

}  // namespace

/// A tensor's state is the written form and which of the others are in use.
Ties ties_of(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden) {
  Ties ties;
  ties.of.resize(problem.layers.size());
  const auto add = [&](const std::set<int>& layers, double most_bits, const auto& bits_of) {
    if (layers.size() < 2) return;
    const int tie = static_cast<int>(ties.all.size());
    ties.all.push_back({{layers.begin(), layers.end()}, most_bits});
    for (const int layer : layers) ties.of[layer].push_back({tie, bits_of(layer)});
  };
  const std::vector<std::vector<int>> touching = accessors(problem);
  for (std::size_t t = 0; t < touching.size(); ++t) {
    const double forms = static_cast<double>(problem.tensors[t].forms.size());
    add({touching[t].begin(), touching[t].end()}, std::log2(forms) + forms - 1,
        [&](int layer) { return use_bits(problem.layers[layer], static_cast<int>(t)); });
  }
  for (const ProblemPair& pair : problem.pairs)
    add({pair.a, pair.b},
        std::max(option_bits(problem.layers[pair.a]), option_bits(problem.layers[pair.b])),
        [&](int layer) { return option_bits(problem.layers[layer]); });
  for (const std::vector<Pick>& picks : forbidden) {
    if (picks.size() > kNarrow) continue;
    std::set<int> layers;
    for (const Pick& pick : picks) layers.insert(pick.layer);
    add(layers, 1, [](int) { return 1.0; });
  }
  return ties;
}

Frontier::Frontier(const Problem& problem, const Ties& ties)
    : ties_(ties), told_(ties.all.size(), 0), open_(problem.layers.size(), 0) {
  for (const Tie& tie : ties.all) left_.push_back(static_cast<int>(tie.layers.size()));
  for (const ProblemLayer& layer : problem.layers) own_bits_.push_back(option_bits(layer));
}

double Frontier::bits_after(int layer) const {
  double tie_bits = tie_bits_;
  double layer_bits = layer_bits_;
  bool stays = false;
  for (const auto& [tie, told] : ties_.of[layer]) {
    tie_bits -= bits_of(tie);
    if (left_[tie] > 1) {
      tie_bits += std::min(told_[tie] + told, ties_.all[tie].most_bits);
      stays = true;
      continue;
    }
    for (const int other : ties_.all[tie].layers)
      if (other != layer && open_[other] == 1) layer_bits -= own_bits_[other];
  }
  if (stays) layer_bits += own_bits_[layer];
  return std::min(tie_bits, layer_bits);
}

void Frontier::eliminate(int layer) {
  for (const auto& [tie, told] : ties_.of[layer]) {
    tie_bits_ -= bits_of(tie);
    told_[tie] += told;
    if (--left_[tie] > 0) {
      tie_bits_ += bits_of(tie);
      if (open_[layer]++ == 0) layer_bits_ += own_bits_[layer];
      continue;
    }
    for (const int other : ties_.all[tie].layers)
      if (other != layer && --open_[other] == 0) layer_bits_ -= own_bits_[other];
  }
}

}  // namespace mpsearch::solver
