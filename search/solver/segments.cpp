#include "search/solver/segments.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace mpsearch::solver {
namespace {

/// Widths that differ by less, in bits, are one.
constexpr double kSame = 1e-6;

class SegmentOrder {
 public:
  SegmentOrder(Ties& ties, const Segments& segments)
      : ties_(ties),
        segments_(segments),
        frontier_(ties),
        segment_of_(ties.problem_layers()),
        done_(segments.size(), 0) {
    for (std::size_t s = 0; s < segments.size(); ++s)
      for (const int layer : segments[s]) segment_of_[layer] = static_cast<int>(s);
  }

  std::vector<int> from(int start) {
    reachable_.insert(start);
    for (int lowest = 0; order_.size() < segment_of_.size();) {
      if (reachable_.empty()) {
        while (done_[lowest] != 0) ++lowest;
        reachable_.insert(lowest);
      }
      take_next();
    }
    return order_;
  }

 private:
  /// The bits left open and the nodes on the way.
  std::pair<double, double> cost_of(const std::vector<int>& layers) {
    double nodes = 0;
    for (const int layer : layers) {
      nodes += frontier_.states();
      frontier_.eliminate(layer);
    }
    const double bits = std::round(frontier_.bits() / kSame);
    for (std::size_t i = layers.size(); i-- > 0;) frontier_.restore(layers[i]);
    return {bits, nodes};
  }

  void take_next() {
    std::pair<double, double> least;
    std::vector<int> next;
    for (const int segment : reachable_)
      for (const bool forward : {true, false}) {
        std::vector<int> layers = segments_[segment];
        if (!forward) std::reverse(layers.begin(), layers.end());
        const std::pair<double, double> cost = cost_of(layers);
        if (!next.empty() && cost >= least) continue;
        least = cost;
        next = std::move(layers);
      }
    const int taken = segment_of_[next.front()];
    done_[taken] = 1;
    reachable_.erase(taken);
    for (const int layer : next) {
      frontier_.eliminate(layer);
      order_.push_back(layer);
      for (const TiePlace& place : ties_.of(layer))
        for (const int other : ties_.layers(place.tie))
          if (done_[segment_of_[other]] == 0) reachable_.insert(segment_of_[other]);
    }
  }

  Ties& ties_;
  const Segments& segments_;
  Frontier frontier_;
  std::vector<int> segment_of_;  // each layer
  std::vector<char> done_;       // segments
  std::set<int> reachable_;
  std::vector<int> order_;
};

}  // namespace

Segments segments_of(Ties& ties) {
  const int layers = ties.problem_layers();
  Frontier frontier(ties);
  std::vector<double> bits;  // after each layer
  for (int l = 0; l < layers; ++l) {
    frontier.eliminate(l);
    bits.push_back(frontier.bits());
  }
  Segments segments(1);
  for (int l = 0; l < layers; ++l) {
    segments.back().push_back(l);
    if (l + 1 < layers && bits[l] <= bits[l + 1] + kSame &&
        (l == 0 || bits[l] <= bits[l - 1] + kSame))
      segments.emplace_back();
  }
  return segments;
}

std::vector<int> greedy_by_segments(Ties& ties, const Segments& segments, int start) {
  return SegmentOrder(ties, segments).from(start);
}

}  // namespace mpsearch::solver
