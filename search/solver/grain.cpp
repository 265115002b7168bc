#include "search/solver/grain.h"

#include <algorithm>
#include <numeric>

namespace mpsearch::solver {
namespace {

/// Takes values on ranges of events and gives the greatest common divisor at each event.
class DivisorTree {
 public:
  explicit DivisorTree(std::size_t events) : leaves_(events), at_(2 * events, 0) {}

  /// first..last, closed
  void add(std::size_t first, std::size_t last, std::int64_t value) {
    std::size_t low = first + leaves_;
    std::size_t high = last + leaves_ + 1;
    for (; low < high; low /= 2, high /= 2) {
      if (low % 2 == 1) take(low++, value);
      if (high % 2 == 1) take(--high, value);
    }
  }

  std::vector<std::int64_t> divisors() const {
    std::vector<std::int64_t> result(leaves_, 0);
    for (std::size_t e = 0; e < leaves_; ++e)
      for (std::size_t node = e + leaves_; node > 0; node /= 2)
        result[e] = std::gcd(result[e], at_[node]);
    return result;
  }

 private:
  void take(std::size_t node, std::int64_t value) { at_[node] = std::gcd(at_[node], value); }

  std::size_t leaves_;
  std::vector<std::int64_t> at_;
};

using Changes = std::vector<UsageStep>;

void append(const Item& item, int sign, Changes& changes) {
  for (const UsageStep& step : item.steps) changes.push_back({step.event, sign * step.bytes});
}

void add_difference(Changes& changes, std::size_t events, DivisorTree& tree) {
  std::sort(changes.begin(), changes.end());
  std::int64_t held = 0;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    held += changes[i].bytes;
    const auto first = static_cast<std::size_t>(changes[i].event);
    const std::size_t end =
        i + 1 < changes.size() ? static_cast<std::size_t>(changes[i + 1].event) : events;
    if (held != 0 && first < end && first < events) tree.add(first, end - 1, held);
  }
}

}  // namespace

/// Every path takes one option and one cell of each step: what these differ in counts.
Grains grains_of(const FrontierGraph& graph, const std::vector<char>& allowed) {
  const std::size_t events = graph.base.size();
  DivisorTree tree(events);
  Changes some;
  append(graph.start, 1, some);
  for (const Step& step : graph.steps) {
    int first = -1;
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      if (allowed[step.first_option + o] == 0 || step.signature_of[o] < 0) continue;
      if (first < 0) {
        first = step.own[o];
        append(graph.items[first], 1, some);
      } else if (step.own[o] != first) {
        Changes changes;
        append(graph.items[step.own[o]], 1, changes);
        append(graph.items[first], -1, changes);
        add_difference(changes, events, tree);
      }
    }
    for (std::size_t c = 0; c + 1 < step.cell_start.size(); ++c) {
      Changes changes;
      for (int i = step.cell_start[c]; i < step.cell_start[c + 1]; ++i)
        append(graph.items[step.cell_items[i]], 1, changes);
      if (c == 0) {
        some.insert(some.end(), changes.begin(), changes.end());
        continue;
      }
      for (int i = step.cell_start[0]; i < step.cell_start[1]; ++i)
        append(graph.items[step.cell_items[i]], -1, changes);
      add_difference(changes, events, tree);
    }
  }
  Grains grains{graph.base, tree.divisors()};
  std::vector<std::int64_t> change(events + 1, 0);
  for (const UsageStep& step : some) change[step.event] += step.bytes;
  std::int64_t held = 0;
  for (std::size_t e = 0; e < events; ++e) {
    held += change[e];
    grains.some[e] += held;
  }
  return grains;
}

}  // namespace mpsearch::solver
