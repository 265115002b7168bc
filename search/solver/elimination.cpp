// Orders in which the layers may be eliminated. The width of the graph is exponential in what stays
// open between processed and other layers, so the order decides everything.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>

#include "search/solver/frontier_graph.h"
#include "search/solver/frontier_width.h"

namespace mpsearch::solver {
namespace {

constexpr int kStarts = 24;

/// An order that promises more nodes is worth a search for a better one, until that promises less.
constexpr double kManyNodes = 3e4;

/// Layers looked at in such a search: a tenth of a second.
constexpr int kSearchEffort = 4'000'000;

/// How much worse, in bits, an order may be that is gone on from, at the beginning.
constexpr double kFirstHeat = 0.5;

struct Candidate {
  std::vector<int> layers;
  double nodes = 0;
};

double promised_nodes(const Problem& problem, const Ties& ties, const std::vector<int>& layers) {
  Frontier frontier(problem, ties);
  double nodes = 0;
  for (const int layer : layers) {
    nodes += std::exp2(std::min(60.0, frontier.bits()));
    frontier.eliminate(layer);
  }
  return nodes;
}

/// The best order met on a walk from `now` that moves one layer at a time and shies ever more from
/// worse orders (simulated annealing).
Candidate anneal(const Problem& problem, const Ties& ties, Candidate now) {
  std::mt19937_64 draw(1);
  const auto below = [&](std::uint64_t n) { return static_cast<int>(draw() % n); };
  const int layers = static_cast<int>(now.layers.size());
  const int tries = kSearchEffort / layers;
  Candidate best = now;
  for (int i = 0; i < tries && best.nodes > kManyNodes; ++i) {
    const double heat = kFirstHeat * (tries - i) / tries;
    const int from = below(layers);
    const int by = 1 + below(1 + layers / 4);
    const int to = std::clamp(below(2) == 0 ? from - by : from + by, 0, layers - 1);
    Candidate next = now;
    const int moved = next.layers[from];
    next.layers.erase(next.layers.begin() + from);
    next.layers.insert(next.layers.begin() + to, moved);
    next.nodes = promised_nodes(problem, ties, next.layers);
    const double worse = std::log2(next.nodes / now.nodes);
    const double luck = static_cast<double>(below(1'000'000)) / 1e6;
    if (worse > 0 && luck >= std::exp(-worse / heat)) continue;
    now = std::move(next);
    if (now.nodes < best.nodes) best = now;
  }
  return best;
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
    for (const Told& told : ties.of[next])
      for (const int other : ties.all[told.tie].layers)
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
    for (const Told& told : ties.of[layers[at]])
      for (const int other : ties.all[told.tie].layers) visit(other);
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
    candidate.nodes = promised_nodes(problem, ties, candidate.layers);
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
        candidate.nodes = promised_nodes(problem, ties, candidate.layers);
        if (least > 0 && candidate.nodes >= least) continue;
        least = candidate.nodes;
        best = start;
      }
    }
    if (step == 1) break;
    from = std::max(0, best - step);
    to = std::min(layers - 1, best + step);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.nodes < b.nodes; });
  if (candidates.front().nodes > kManyNodes)
    candidates.insert(candidates.begin(), anneal(problem, ties, candidates.front()));
  std::vector<Order> orders;
  for (const Candidate& candidate : candidates) {
    Order order{candidate.layers, std::vector<int>(problem.layers.size())};
    for (int k = 0; k < layers; ++k) order.position[order.layers[k]] = k;
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace mpsearch::solver
