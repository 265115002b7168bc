#include "runtime/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {
namespace {

bool persistent(const Value& value) {
  return value.kind == ValueKind::Parameter || value.kind == ValueKind::State ||
         value.kind == ValueKind::Constant;
}

/// First and last node of every root; inputs are written before node 0, outputs outlive the last.
std::vector<Placement> lifetimes(const Graph& graph) {
  std::vector<Placement> places(graph.values.size());
  const auto touch = [&](ValueId id, int node) {
    const ValueId root = graph.root(id);
    Placement& place = places[static_cast<std::size_t>(root)];
    place.last = std::max(place.last, node);
  };
  const auto touch_with_scale = [&](ValueId id, int node) {
    touch(id, node);
    if (graph.value(id).scale != kNone) touch(graph.value(id).scale, node);
  };
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op->view) continue;
    const int now = static_cast<int>(i);
    for (const ValueId input : node.inputs) touch_with_scale(input, now);
    for (const ValueId output : node.outputs) {
      places[static_cast<std::size_t>(output)].first = now;
      touch_with_scale(output, now);
    }
  }
  const int end = static_cast<int>(graph.nodes.size()) - 1;
  for (const ValueId output : graph.outputs) touch_with_scale(output, end);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (graph.root(static_cast<ValueId>(i)) != static_cast<ValueId>(i)) continue;
    places[i].bytes = aligned(value.type.bytes());
    if (persistent(value)) {
      places[i].first = 0;
      places[i].last = end;
    }
  }
  return places;
}

/// Orders blocks by a key, larger blocks first where it ties.
using Key = double (*)(const Placement&);
constexpr Key kKeys[] = {
    [](const Placement& b) { return -static_cast<double>(b.bytes); },
    [](const Placement& b) { return -static_cast<double>(b.bytes) * (b.last - b.first + 1); },
    [](const Placement& b) { return -static_cast<double>(b.last - b.first); },
    [](const Placement& b) { return static_cast<double>(b.first); },
    [](const Placement& b) { return -static_cast<double>(b.last); },
};

/// Packs blocks above `floor` in one order after the other and keeps the lowest arena.
class Packer {
 public:
  Packer(std::vector<Placement*> blocks, std::int64_t floor)
      : blocks_(std::move(blocks)), floor_(floor), offsets_(blocks_.size()) {
    placed_.reserve(blocks_.size());
  }

  std::int64_t height() const { return height_ < 0 ? floor_ : height_; }
  double effort() const { return effort_; }

  std::vector<Placement*> order_by(Key key) const {
    std::vector<Placement*> order = blocks_;
    std::ranges::stable_sort(order, [&](const Placement* a, const Placement* b) {
      const double left = key(*a);
      const double right = key(*b);
      return left != right ? left < right : a->bytes > b->bytes;
    });
    return order;
  }

  /// Places each block at the lowest offset where no placed block that lives at the same time
  /// overlaps. Gives up at the first that ends no lower than the best arena, and returns its index;
  /// else keeps the arena and returns the order's size.
  std::size_t pack(const std::vector<Placement*>& order) {
    placed_.clear();
    std::int64_t height = floor_;
    for (std::size_t i = 0; i < order.size(); ++i) {
      Placement* const block = order[i];
      const std::int64_t offset = lowest_for(*block);
      height = std::max(height, offset + block->bytes);
      if (height_ >= 0 && height >= height_) return i;
      block->offset = offset;
      placed_.insert(std::ranges::upper_bound(placed_, offset, {}, &Placement::offset), *block);
    }
    height_ = height;
    for (std::size_t i = 0; i < blocks_.size(); ++i) offsets_[i] = blocks_[i]->offset;
    return order.size();
  }

  void apply() const {
    for (std::size_t i = 0; i < blocks_.size(); ++i) blocks_[i]->offset = offsets_[i];
  }

 private:
  std::int64_t lowest_for(const Placement& block) {
    effort_ += 1 + static_cast<double>(placed_.size());
    std::int64_t offset = floor_;
    for (const Placement& other : placed_) {
      if (other.last < block.first || other.first > block.last) continue;
      if (offset + block.bytes <= other.offset) break;
      offset = std::max(offset, other.offset + other.bytes);
    }
    return offset;
  }

  std::vector<Placement*> blocks_;
  std::int64_t floor_;
  std::vector<std::int64_t> offsets_;  // of the best arena, by block
  std::int64_t height_ = -1;           // of the best arena
  std::vector<Placement> placed_;      // sorted by offset; copies, so that they are read in order
  double effort_ = 0;                  // pairs of blocks looked at
};

/// Packs in several orders, then keeps moving the block that does not fit below the best arena to
/// the front, until the arena is as low as `bound` or the effort is spent.
std::int64_t pack_best(std::vector<Placement*> blocks, std::int64_t floor, std::int64_t bound) {
  constexpr double kEffort = 2e6;  // pairs of blocks looked at from each first order
  Packer packer(std::move(blocks), floor);
  std::vector<std::vector<Placement*>> orders;
  for (const Key key : kKeys) {
    orders.push_back(packer.order_by(key));
    packer.pack(orders.back());
    if (packer.height() <= bound) break;
  }
  for (std::vector<Placement*>& order : orders) {
    const double most = packer.effort() + kEffort;
    while (packer.height() > bound && packer.effort() < most) {
      const std::size_t at = packer.pack(order);
      if (at == order.size()) continue;
      const auto block = order.begin() + static_cast<std::ptrdiff_t>(at);
      std::rotate(order.begin(), block, block + 1);
    }
  }
  packer.apply();
  return packer.height();
}

void fill_timeline(const Graph& graph, MemoryPlan& plan) {
  std::vector<std::int64_t> change(graph.nodes.size() + 1, 0);
  const auto add = [&](const Placement& place) {
    if (place.last < place.first || place.offset < 0) return;
    change[static_cast<std::size_t>(place.first)] += place.bytes;
    change[static_cast<std::size_t>(place.last) + 1] -= place.bytes;
  };
  for (std::size_t i = 0; i < plan.values.size(); ++i) {
    if (!persistent(graph.values[i])) add(plan.values[i]);
  }
  for (const Placement& place : plan.workspaces) add(place);
  plan.timeline.resize(graph.nodes.size());
  std::int64_t live = plan.persistent;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    live += change[i];
    plan.timeline[i] = live;
    plan.live_peak = std::max(plan.live_peak, live);
  }
}

}  // namespace

MemoryPlan plan_memory(const Graph& graph, const FixedOffsets& fixed, std::int64_t fixed_bytes) {
  MemoryPlan plan;
  plan.values = lifetimes(graph);
  plan.workspaces.resize(graph.nodes.size());
  plan.persistent = fixed_bytes;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (!persistent(value)) continue;
    if (fixed.empty()) {
      plan.values[i].offset = plan.persistent;
      plan.persistent += plan.values[i].bytes;
    } else {
      const auto found = fixed.find(value.name);
      require(found != fixed.end(), ErrorKind::Internal,
              "'" + value.name + "' has no place in the shared arena");
      plan.values[i].offset = found->second;
    }
  }
  std::vector<Placement*> blocks;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    Placement& place = plan.values[i];
    if (!persistent(graph.values[i]) && place.last >= place.first && place.bytes > 0) {
      place.offset = 0;
      blocks.push_back(&place);
    }
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const std::int64_t bytes = aligned(graph.nodes[i].kernel.workspace_bytes);
    if (bytes == 0) continue;
    const int now = static_cast<int>(i);
    plan.workspaces[i] = {0, bytes, now, now};
    blocks.push_back(&plan.workspaces[i]);
  }
  plan.live_peak = plan.persistent;
  fill_timeline(graph, plan);
  plan.peak = pack_best(std::move(blocks), plan.persistent, plan.live_peak);
  return plan;
}

FixedOffsets persistent_offsets(const Graph& graph, const MemoryPlan& plan) {
  FixedOffsets offsets;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (persistent(graph.values[i])) offsets[graph.values[i].name] = plan.values[i].offset;
  }
  return offsets;
}

PeakParts parts_at_peak(const Graph& graph, const MemoryPlan& plan, NodeId* event) {
  const auto highest =
      static_cast<int>(std::ranges::max_element(plan.timeline) - plan.timeline.begin());
  if (event != nullptr) *event = highest;
  PeakParts parts;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Placement& place = plan.values[i];
    const Value& value = graph.values[i];
    if (place.offset < 0 || highest < place.first || highest > place.last) continue;
    if (value.kind == ValueKind::Parameter) {
      parts.parameters += place.bytes;
    } else if (persistent(value)) {
      parts.state += place.bytes;
    } else if (value.kind == ValueKind::Input) {
      parts.inputs += place.bytes;
    } else if (value.gradient_of != kNone &&
               graph.value(value.gradient_of).kind == ValueKind::Parameter) {
      parts.gradients += place.bytes;
    } else {
      const Node& producer = graph.node(value.producer);
      const bool cast = producer.op->name == "Cast" || producer.op->name == "Quantize";
      const bool of_parameter =
          cast && graph.value(graph.root(producer.inputs[0])).kind == ValueKind::Parameter;
      (of_parameter ? parts.copies : parts.activations) += place.bytes;
    }
  }
  for (const Placement& place : plan.workspaces) {
    if (place.bytes > 0 && highest >= place.first && highest <= place.last) {
      parts.workspace += place.bytes;
    }
  }
  return parts;
}

}  // namespace mpsearch
