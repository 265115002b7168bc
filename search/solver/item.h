// What an arc of the frontier graph costs: ms, sensitivity, and steps of the usage over events.
// Used by the factors, the graph and everything that prices paths.
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "search/solver/problem.h"

namespace mpsearch::solver {

/// Usage changes by `bytes` from `event` on.
struct UsageStep {
  int event = 0;
  std::int64_t bytes = 0;
  auto operator<=>(const UsageStep&) const = default;
};

/// Canonical: steps sorted by event, none of 0 bytes.
struct Item {
  double ms = 0;
  double sensitivity = 0;
  std::vector<UsageStep> steps;

  bool operator==(const Item&) const = default;
  bool empty() const { return ms == 0 && sensitivity == 0 && steps.empty(); }
};

/// Collects intervals and other items into one canonical item.
class ItemBuilder {
 public:
  void cost(double ms, double sensitivity) {
    ms_ += ms;
    sensitivity_ += sensitivity;
  }
  /// Closed interval; first > last: nothing.
  void hold(int first, int last, std::int64_t bytes) {
    if (first > last || bytes == 0) return;
    steps_.push_back({first, bytes});
    steps_.push_back({last + 1, -bytes});
  }
  void add(const Item& item, int factor = 1) {
    cost(factor * item.ms, factor * item.sensitivity);
    for (const UsageStep& step : item.steps) steps_.push_back({step.event, factor * step.bytes});
  }
  Item build() const {
    Item item{ms_, sensitivity_, {}};
    std::vector<UsageStep> steps = steps_;
    std::sort(steps.begin(), steps.end());
    for (std::size_t i = 0; i < steps.size();) {
      UsageStep sum{steps[i].event, 0};
      for (; i < steps.size() && steps[i].event == sum.event; ++i) sum.bytes += steps[i].bytes;
      if (sum.bytes != 0) item.steps.push_back(sum);
    }
    return item;
  }

 private:
  double ms_ = 0;
  double sensitivity_ = 0;
  std::vector<UsageStep> steps_;
};

/// Equal items share one index; index 0 is the empty item.
class ItemPool {
 public:
  ItemPool() { intern({}); }
  int intern(const Item& item) {
    std::vector<int>& bucket = buckets_[hash(item)];
    for (const int index : bucket)
      if (items_[index] == item) return index;
    bucket.push_back(static_cast<int>(items_.size()));
    items_.push_back(item);
    return bucket.back();
  }
  /// Of what `item` is more than `common`.
  int intern(const Item& item, const Item& common) {
    if (common.empty()) return intern(item);
    if (item == common) return 0;
    ItemBuilder rest;
    rest.add(item);
    rest.add(common, -1);
    return intern(rest.build());
  }
  const Item& operator[](int index) const { return items_[index]; }
  const std::vector<Item>& items() const { return items_; }

 private:
  static std::uint64_t hash(const Item& item);
  std::vector<Item> items_;
  std::unordered_map<std::uint64_t, std::vector<int>> buckets_;
};

}  // namespace mpsearch::solver
