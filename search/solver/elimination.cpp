// Orders in which the layers may be eliminated. The width of the graph is exponential in what stays
// open between processed and other layers, so the order decides everything.
#include <algorithm>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "search/solver/frontier_graph.h"
#include "search/solver/frontier_width.h"
#include "search/solver/order_walk.h"
#include "search/solver/segments.h"
#include "search/solver/side_by_side.h"

namespace mpsearch::solver {
namespace {

/// Places tried at a time where an order may start.
constexpr int kStarts = 12;

/// Orders that promise more nodes are worth a search for better ones.
constexpr double kManyNodesPerLayer = 100;
constexpr int kFewLayers = 300;

/// Orders by guesses that are worth counting.
constexpr std::size_t kCounted = 8;

/// While walks promise more nodes another one starts elsewhere: from an order that promises so many
/// times more than the last start. At most as many walks.
constexpr double kTooManyNodes = 3e5;
constexpr double kOther = 1.2;
constexpr std::size_t kWalks = 4;

/// From `start`, always the neighbour of what is open that leaves least open.
std::vector<int> greedy(Ties& ties, int start) {
  Frontier frontier(ties);
  std::vector<int> layers;
  std::vector<char> done(ties.problem_layers(), 0);
  std::set<int> reachable;
  int next = start;
  int lowest = 0;
  while (true) {
    frontier.eliminate(next);
    layers.push_back(next);
    done[next] = 1;
    reachable.erase(next);
    for (const TiePlace& place : ties.of(next))
      for (const int other : ties.layers(place.tie))
        if (done[other] == 0) reachable.insert(other);
    if (layers.size() == done.size()) return layers;
    if (reachable.empty()) {
      while (done[lowest] != 0) ++lowest;
      next = lowest;
      continue;
    }
    double least = 0;
    next = -1;
    for (const int layer : reachable) {
      frontier.eliminate(layer);
      const double bits = frontier.bits();
      frontier.restore(layer);
      if (next >= 0 && bits >= least - 1e-9) continue;
      least = bits;
      next = layer;
    }
  }
}

/// From `start`, by distance: leaves no holes behind, which greedy orders may.
std::vector<int> breadth_first(Ties& ties, int start) {
  std::vector<int> layers;
  std::vector<char> seen(ties.problem_layers(), 0);
  const auto visit = [&](int layer) {
    if (seen[layer] != 0) return;
    seen[layer] = 1;
    layers.push_back(layer);
  };
  visit(start);
  int lowest = 0;
  for (std::size_t at = 0; layers.size() < seen.size(); ++at) {
    if (at == layers.size()) {
      while (seen[lowest] != 0) ++lowest;
      visit(lowest);
    }
    for (const TiePlace& place : ties.of(layers[at]))
      for (const int other : ties.layers(place.tie)) visit(other);
  }
  return layers;
}

/// Orders by what they promise, the best first.
class Candidates {
 public:
  explicit Candidates(Ties& ties) : ties_(ties) {}

  /// Those that plain rules make, by guessed widths.
  void add_plain() {
    std::vector<int> natural(ties_.problem_layers());
    std::iota(natural.begin(), natural.end(), 0);
    add(natural);
    add({natural.rbegin(), natural.rend()});
    look_for_start(ties_.problem_layers(), [&](int start) {
      return std::min(add(greedy(ties_, start)), add(breadth_first(ties_, start)));
    });
    sort();
  }

  /// Those that go block by block; from here on states are counted.
  void add_by_segments() {
    ties_.count();
    all_.resize(std::min(all_.size(), kCounted));
    for (Candidate& candidate : all_) candidate.nodes = promised_nodes(ties_, candidate.layers);
    const Segments segments = segments_of(ties_);
    look_for_start(static_cast<int>(segments.size()),
                   [&](int start) { return add(greedy_by_segments(ties_, segments, start)); });
    sort();
  }

  /// What walks from the best ones find. As many walk at a time as there are cores: of those that
  /// were not needed nothing is used.
  void add_walks(const Patience& patience) {
    std::vector<const Candidate*> starts;
    for (const Candidate& start : all_)
      if (starts.size() < kWalks &&
          (starts.empty() || start.nodes >= kOther * starts.back()->nodes))
        starts.push_back(&start);
    const std::size_t at_a_time = cores();
    std::vector<Candidate> found;
    bool enough = false;
    for (std::size_t first = 0; first < starts.size() && !enough; first += at_a_time) {
      std::vector<Candidate> ends(std::min(at_a_time, starts.size() - first));
      side_by_side(ends.size(), [&](std::size_t i) {
        Ties ties = ties_;  // they remember what was asked
        ends[i] = anneal(ties, *starts[first + i], patience);
      });
      for (std::size_t i = 0; i < ends.size() && !enough; ++i) {
        enough = ends[i].nodes <= kTooManyNodes || patience.over();
        found.push_back(std::move(ends[i]));
      }
    }
    all_.insert(all_.end(), found.begin(), found.end());
    sort();
  }

  const std::vector<Candidate>& all() const { return all_; }
  double least() const { return all_.front().nodes; }

 private:
  double add(std::vector<int> order) {
    const double nodes = promised_nodes(ties_, order);
    all_.push_back({std::move(order), nodes});
    return nodes;
  }

  void sort() {
    std::stable_sort(all_.begin(), all_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.nodes < b.nodes; });
  }

  /// Where an order starts matters (a U-Net opens best from its inside): looks for the start of the
  /// least `cost`, coarsely, then closer and closer around the best.
  template <typename Cost>
  static void look_for_start(int starts, const Cost& cost) {
    int from = 0;
    int to = starts - 1;
    while (true) {
      const int step = std::max(1, (to - from) / kStarts);
      int best = from;
      double least = 0;
      for (int start = from; start <= to; start += step) {
        const double now = cost(start);
        if (least > 0 && now >= least) continue;
        least = now;
        best = start;
      }
      if (step == 1) return;
      from = std::max(0, best - step);
      to = std::min(starts - 1, best + step);
    }
  }

  Ties& ties_;
  std::vector<Candidate> all_;
};

}  // namespace

std::vector<Order> elimination_orders(const Problem& problem,
                                      const std::vector<std::vector<Pick>>& forbidden,
                                      const Patience& patience) {
  Ties ties(problem, forbidden);
  const int layers = ties.problem_layers();
  const double enough = kManyNodesPerLayer * std::max(kFewLayers, layers);
  Candidates candidates(ties);
  candidates.add_plain();
  if (candidates.least() > enough) candidates.add_by_segments();
  if (candidates.least() > enough) candidates.add_walks(patience);
  std::vector<Order> orders;
  for (const Candidate& candidate : candidates.all()) {
    Order order{candidate.layers, std::vector<int>(problem.layers.size())};
    for (int k = 0; k < layers; ++k) order.position[order.layers[k]] = k;
    orders.push_back(std::move(order));
  }
  return orders;
}

}  // namespace mpsearch::solver
