// Orders in which the layers may be eliminated. The width of the graph is exponential in what stays
// open between processed and other layers, so the order decides everything.
#include <algorithm>
#include <cmath>
#include <set>

#include "search/solver/frontier_graph.h"

namespace mpsearch::solver {
namespace {

constexpr int kStarts = 24;

/// A wider combination is left out: it makes all its layers neighbours, and orders that follow it
/// lose sight of the tensors, while its own state is one bit.
constexpr std::size_t kNarrow = 8;

/// Which layers each factor ties together, and how many bits its state is thought to need.
struct Ties {
  std::vector<std::vector<int>> layers;  // of each factor
  std::vector<double> bits;
  std::vector<std::vector<int>> factors;  // of each layer
};

Ties ties_of(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden) {
  Ties ties;
  const auto add = [&](std::vector<int> layers, double bits) {
    std::sort(layers.begin(), layers.end());
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    if (layers.size() < 2) return;
    ties.layers.push_back(std::move(layers));
    ties.bits.push_back(bits);
  };
  const std::vector<std::vector<int>> touching = accessors(problem);
  for (std::size_t t = 0; t < touching.size(); ++t)
    add(touching[t], std::log2(1.0 + static_cast<double>(std::min<std::size_t>(
                                         3, problem.tensors[t].forms.size()))));
  for (const ProblemPair& pair : problem.pairs)
    add({pair.a, pair.b}, std::log2(static_cast<double>(problem.layers[pair.a].options.size())));
  for (const std::vector<Pick>& picks : forbidden) {
    if (picks.size() > kNarrow) continue;
    std::vector<int> layers;
    for (const Pick& pick : picks) layers.push_back(pick.layer);
    add(std::move(layers), 1);
  }
  ties.factors.resize(problem.layers.size());
  for (std::size_t f = 0; f < ties.layers.size(); ++f)
    for (const int layer : ties.layers[f]) ties.factors[layer].push_back(static_cast<int>(f));
  return ties;
}

/// What is open while layers are eliminated one by one. The layers at the border bound the width as
/// well: their options determine every open state.
class Frontier {
 public:
  Frontier(const Problem& problem, const Ties& ties)
      : ties_(ties), left_(ties.layers.size()), open_factors_(problem.layers.size(), 0) {
    for (std::size_t f = 0; f < left_.size(); ++f)
      left_[f] = static_cast<int>(ties.layers[f].size());
    for (const ProblemLayer& layer : problem.layers)
      option_bits_.push_back(std::log2(static_cast<double>(layer.options.size())));
    done_.assign(problem.layers.size(), 0);
  }

  double bits() const { return std::min(factor_bits_, layer_bits_); }

  /// bits() after eliminating the layer.
  double bits_after(int layer) const {
    double factor_bits = factor_bits_;
    double layer_bits = layer_bits_;
    bool stays = false;
    for (const int f : ties_.factors[layer]) {
      const int size = static_cast<int>(ties_.layers[f].size());
      if (left_[f] == size) factor_bits += ties_.bits[f];
      if (left_[f] == 1)
        factor_bits -= ties_.bits[f];
      else
        stays = true;
      if (left_[f] != 1) continue;
      for (const int other : ties_.layers[f])
        if (other != layer && open_factors_[other] == 1) layer_bits -= option_bits_[other];
    }
    if (stays) layer_bits += option_bits_[layer];
    return std::min(factor_bits, layer_bits);
  }

  void eliminate(int layer) {
    done_[layer] = 1;
    for (const int f : ties_.factors[layer]) {
      const int size = static_cast<int>(ties_.layers[f].size());
      if (left_[f] == size) factor_bits_ += ties_.bits[f];
      if (--left_[f] > 0) {
        if (open_factors_[layer]++ == 0) layer_bits_ += option_bits_[layer];
        continue;
      }
      factor_bits_ -= ties_.bits[f];
      for (const int other : ties_.layers[f])
        if (other != layer && --open_factors_[other] == 0) layer_bits_ -= option_bits_[other];
    }
  }

 private:
  const Ties& ties_;
  std::vector<int> left_;          // layers of each factor that are not eliminated
  std::vector<int> open_factors_;  // of each eliminated layer
  std::vector<double> option_bits_;
  std::vector<char> done_;
  double factor_bits_ = 0;
  double layer_bits_ = 0;
};

struct Candidate {
  std::vector<int> layers;
  double arcs = 0;
};

double promised_arcs(const Problem& problem, const Ties& ties, const std::vector<int>& layers) {
  Frontier frontier(problem, ties);
  double arcs = 0;
  for (const int layer : layers) {
    arcs += std::exp2(std::min(60.0, frontier.bits()));
    frontier.eliminate(layer);
  }
  return arcs;
}

/// From `start`, always the neighbour of what is open that leaves least open.
std::vector<int> greedy(const Problem& problem, const Ties& ties, int start) {
  Frontier frontier(problem, ties);
  std::vector<int> layers;
  std::vector<char> done(problem.layers.size(), 0);
  std::set<int> reachable;
  int next = start;
  int lowest = 0;
  while (true) {
    frontier.eliminate(next);
    layers.push_back(next);
    done[next] = 1;
    reachable.erase(next);
    for (const int f : ties.factors[next])
      for (const int other : ties.layers[f])
        if (done[other] == 0) reachable.insert(other);
    if (layers.size() == problem.layers.size()) return layers;
    if (reachable.empty()) {
      while (done[lowest] != 0) ++lowest;
      next = lowest;
      continue;
    }
    double least = 0;
    next = -1;
    for (const int layer : reachable) {
      const double bits = frontier.bits_after(layer);
      if (next >= 0 && bits >= least - 1e-9) continue;
      least = bits;
      next = layer;
    }
  }
}

/// From `start`, by distance: leaves no holes behind, which greedy orders may.
std::vector<int> breadth_first(const Problem& problem, const Ties& ties, int start) {
  std::vector<int> layers;
  std::vector<char> seen(problem.layers.size(), 0);
  const auto visit = [&](int layer) {
    if (seen[layer] != 0) return;
    seen[layer] = 1;
    layers.push_back(layer);
  };
  visit(start);
  int lowest = 0;
  for (std::size_t at = 0; layers.size() < problem.layers.size(); ++at) {
    if (at == layers.size()) {
      while (seen[lowest] != 0) ++lowest;
      visit(lowest);
    }
    for (const int f : ties.factors[layers[at]])
      for (const int other : ties.layers[f]) visit(other);
  }
  return layers;
}

}  // namespace

std::vector<Order> elimination_orders(const Problem& problem,
                                      const std::vector<std::vector<Pick>>& forbidden) {
  const Ties ties = ties_of(problem, forbidden);
  const int layers = static_cast<int>(problem.layers.size());
  std::vector<Candidate> candidates(2);
  for (int l = 0; l < layers; ++l) candidates[0].layers.push_back(l);
  candidates[1].layers.assign(candidates[0].layers.rbegin(), candidates[0].layers.rend());
  for (Candidate& candidate : candidates)
    candidate.arcs = promised_arcs(problem, ties, candidate.layers);
  // Where a greedy order starts matters (a U-Net opens best from its inside): look for the best
  // start, coarsely, then closer and closer around it.
  int from = 0;
  int to = layers - 1;
  while (true) {
    const int step = std::max(1, (to - from) / kStarts);
    int best = from;
    double least = 0;
    for (int start = from; start <= to; start += step) {
      for (const auto& make : {greedy, breadth_first}) {
        Candidate& candidate = candidates.emplace_back();
        candidate.layers = make(problem, ties, start);
        candidate.arcs = promised_arcs(problem, ties, candidate.layers);
        if (least > 0 && candidate.arcs >= least) continue;
        least = candidate.arcs;
        best = start;
      }
    }
    if (step == 1) break;
    from = std::max(0, best - step);
    to = std::min(layers - 1, best + step);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.arcs < b.arcs; });
  std::vector<Order> orders;
  for (const Candidate& candidate : candidates) {
    Order order{candidate.layers, std::vector<int>(problem.layers.size())};
    for (int k = 0; k < layers; ++k) order.position[order.layers[k]] = k;
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace mpsearch::solver
