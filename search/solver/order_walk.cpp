#include "search/solver/order_walk.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace mpsearch::solver {
namespace {

/// Ties looked at on a walk, for each node that its start promises, and at most: a seventh of a
/// second.
constexpr double kEffortPerNode = 32;
constexpr double kMostEffort = 16e6;

/// How much worse, in bits, an order may be that is gone on from, at the beginning.
constexpr double kFirstHeat = 0.005;

/// A move takes at most as many layers, by as many places; one in `kJumps` is far from the last,
/// one in `kTurns` reverses what it moves.
constexpr int kMostMoved = 4;
constexpr int kMostPlaces = 6;
constexpr int kJumps = 4;
constexpr int kTurns = 4;

/// A place in an order: the frontier there.
class Walk {
 public:
  explicit Walk(Ties& ties) : frontier_(ties) {}

  int place() const { return static_cast<int>(place_); }
  std::int64_t effort() const { return frontier_.effort(); }

  void go_to(int place, const std::vector<int>& layers) {
    for (; place_ < static_cast<std::size_t>(place); ++place_) frontier_.eliminate(layers[place_]);
    while (place_ > static_cast<std::size_t>(place)) frontier_.restore(layers[--place_]);
  }

  /// The widths before each of the layers that come next, in this order; the place stays. Roots of
  /// nodes: of the nodes themselves those of the widest steps alone would count, and all other
  /// steps drift.
  double width_of(const std::vector<int>& next) {
    double width = 0;
    for (const int layer : next) {
      width += std::exp2(std::min(Frontier::kMostBits, frontier_.bits()) / 2);
      frontier_.eliminate(layer);
    }
    for (std::size_t i = next.size(); i-- > 0;) frontier_.restore(next[i]);
    return width;
  }

 private:
  Frontier frontier_;
  std::size_t place_ = 0;
};

/// Layers from place `first` on, as they are and after some of them moved to the other end.
struct Shift {
  int first = 0;
  std::vector<int> before, after;
};

class Shifts {
 public:
  void draw(const std::vector<int>& order, int place, Shift& shift) {
    const int layers = static_cast<int>(order.size());
    const int near = place + below(2 * kMostPlaces) - kMostPlaces;
    const int from = below(kJumps) == 0 ? below(layers) : std::clamp(near, 0, layers - 1);
    const int moved = std::min(1 + below(kMostMoved), layers - from);
    const int by = 1 + below(kMostPlaces);
    const bool back = below(2) == 0;
    shift.first = back ? std::max(0, from - by) : from;
    const int end = back ? from + moved : std::min(layers, from + moved + by);
    shift.before.assign(order.begin() + shift.first, order.begin() + end);
    shift.after = shift.before;
    const auto begin = shift.after.begin();
    std::rotate(begin, begin + (back ? from - shift.first : moved), shift.after.end());
    const auto block = back ? begin : shift.after.end() - moved;
    if (below(kTurns) == 0) std::reverse(block, block + moved);
  }

  /// At least 0, less than 1.
  double luck() { return below(1'000'000) / 1e6; }

 private:
  int below(int n) { return static_cast<int>(draw_() % static_cast<unsigned>(n)); }
  std::mt19937_64 draw_{1};
};

}  // namespace

double promised_nodes(Ties& ties, const std::vector<int>& layers) {
  Frontier frontier(ties);
  double nodes = 0;
  for (const int layer : layers) {
    nodes += frontier.states();
    frontier.eliminate(layer);
  }
  return nodes;
}

Candidate anneal(Ties& ties, const Candidate& start, const Patience& patience) {
  Walk walk(ties);
  Shifts shifts;
  Shift shift;
  std::vector<int> now = start.layers;
  double width = walk.width_of(now);
  Candidate best = start;
  double least = width;
  const std::int64_t before = walk.effort();
  const double efforts = std::min(kMostEffort, kEffortPerNode * start.nodes);
  double share = 0;  // of the walk that is done
  while (share < 1 && !patience.over()) {
    shifts.draw(now, walk.place(), shift);
    walk.go_to(shift.first, now);
    const double next = width - walk.width_of(shift.before) + walk.width_of(shift.after);
    const double worse = std::log2(next / width);
    share = static_cast<double>(walk.effort() - before) / efforts;
    const double heat = kFirstHeat * (1 - share);
    if (worse > 0 && shifts.luck() >= std::exp(-worse / heat)) continue;
    std::copy(shift.after.begin(), shift.after.end(), now.begin() + shift.first);
    width = next;
    if (width >= least) continue;
    least = width;
    best.layers = now;
  }
  best.nodes = promised_nodes(ties, best.layers);
  return best.nodes < start.nodes ? best : start;
}

}  // namespace mpsearch::solver
