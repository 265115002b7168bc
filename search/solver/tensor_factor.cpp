// A tensor as an automaton. The state is the written form (once its writer is chosen) and, for each
// write and form, the event to which its copy is already paid for. A use that every later choice
// makes anyway is paid at once, and an end that no later use can exceed is forgotten: both merge
// states.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "search/solver/factor.h"

namespace mpsearch::solver {
namespace {

constexpr int kClosed = std::numeric_limits<int>::max();

/// The uses of one form that one write serves: events from..until-1.
struct Slot {
  int form = 0;
  int from = 0;
  int until = 0;
  bool operator==(const Slot&) const = default;
};

/// One form and set of write events; its slots are grouped by write, every form of the tensor each.
struct WriteClass {
  int form = 0;
  std::vector<int> events;
  std::vector<int> slots;
};

class TensorAutomaton {
 public:
  TensorAutomaton(const Problem& problem, int tensor, std::vector<int> layers, const Order& order,
                  ItemPool& pool)
      : problem_(problem),
        index_(tensor),
        tensor_(problem.tensors[tensor]),
        forms_(static_cast<int>(tensor_.forms.size())),
        pool_(pool),
        scope_(std::move(layers)) {
    collect(order);
    bound_uses();
  }

  Factor build(ItemBuilder& start, std::int64_t& most_moves) {
    std::vector<std::vector<int>> current = first_states(start);
    Factor factor;
    factor.scope = scope_;
    for (std::size_t p = 0; p < scope_.size() && most_moves >= 0; ++p) {
      factor.states.push_back(static_cast<int>(current.size()));
      std::vector<Move>& moves = factor.moves.emplace_back();
      current =
          step(current, static_cast<int>(p), most_moves, [&](int next, const ItemBuilder& cost) {
            moves.push_back({next, next < 0 ? 0 : pool_.intern(cost.build())});
          });
    }
    return factor;
  }

  StateCounts count(std::size_t layers, std::int64_t& most_moves) {
    ItemBuilder start;
    std::vector<std::vector<int>> current = first_states(start);
    StateCounts counts;
    for (std::size_t p = 0; p < layers && most_moves >= 0; ++p) {
      current = step(current, static_cast<int>(p), most_moves, [&](int next, const ItemBuilder&) {
        if (p == 0) counts.first.push_back(next);
      });
      counts.states.push_back(static_cast<int>(current.size()));
    }
    return counts;
  }

 private:
  std::vector<std::vector<int>> first_states(ItemBuilder& start) {
    if (!tensor_.written) return {unknown(std::vector<int>(slots_.size(), -1), 0)};
    ItemBuilder cost;
    std::vector<int> state;
    // A given tensor that is used in a form that cannot be made forbids every choice.
    impossible_ = !begin(0, std::vector<int>(slots_.size(), -1), 0, state, cost);
    start.add(cost.build());
    return {state};
  }

  /// The states after layer p; tells `made` of each move from those before it, -1: forbidden.
  template <typename Made>
  std::vector<std::vector<int>> step(const std::vector<std::vector<int>>& states, int p,
                                     std::int64_t& most_moves, const Made& made) const {
    std::map<std::vector<int>, int> known;
    std::vector<std::vector<int>> next;
    for (const std::vector<int>& state : states)
      for (int o = 0; o < options(p); ++o) {
        if (--most_moves < 0) return next;
        ItemBuilder cost;
        std::vector<int> reached;
        if (impossible_ || !move(state, p, o, reached, cost)) {
          made(-1, cost);
          continue;
        }
        const auto [entry, fresh] = known.emplace(reached, static_cast<int>(next.size()));
        if (fresh) next.push_back(std::move(reached));
        made(entry->second, cost);
      }
    return next;
  }

  int options(std::size_t p) const {
    return static_cast<int>(problem_.layers[scope_[p]].options.size());
  }

  int slot(const Slot& wanted) {
    const auto found = std::find(slots_.begin(), slots_.end(), wanted);
    if (found != slots_.end()) return static_cast<int>(found - slots_.begin());
    slots_.push_back(wanted);
    return static_cast<int>(slots_.size()) - 1;
  }

  int write_class(int form, std::vector<int> events) {
    std::sort(events.begin(), events.end());
    events.erase(std::unique(events.begin(), events.end()), events.end());
    for (std::size_t c = 0; c < classes_.size(); ++c)
      if (classes_[c].form == form && classes_[c].events == events) return static_cast<int>(c);
    WriteClass& added = classes_.emplace_back(WriteClass{form, events, {}});
    for (std::size_t w = 0; w < events.size(); ++w)
      for (int f = 0; f < forms_; ++f)
        added.slots.push_back(
            slot({f, events[w], w + 1 < events.size() ? events[w + 1] : problem_.events}));
    return static_cast<int>(classes_.size()) - 1;
  }

  void collect(const Order& order) {
    if (tensor_.written) write_class(tensor_.written->form, {tensor_.written->event});
    std::sort(scope_.begin(), scope_.end(),
              [&](int a, int b) { return order.position[a] < order.position[b]; });
    for (std::size_t p = 0; p < scope_.size(); ++p) {
      writes_.emplace_back();
      for (int o = 0; o < options(p); ++o) {
        std::vector<int> events;
        int form = 0;
        for (const TensorAccess& write : problem_.layers[scope_[p]].options[o].writes)
          if (write.tensor == index_) {
            form = write.form;
            events.insert(events.end(), write.events.begin(), write.events.end());
          }
        writes_.back().push_back(events.empty() ? -1 : write_class(form, std::move(events)));
      }
    }
  }

  /// last_[p][o][slot]; and over the layers from p on but the writer: the latest use that every
  /// choice makes (sure_) and that any choice makes (possible_).
  void bound_uses() {
    const std::size_t slots = slots_.size();
    last_.resize(scope_.size());
    for (std::size_t p = 0; p < scope_.size(); ++p)
      for (int o = 0; o < options(p); ++o) {
        std::vector<int>& last = last_[p].emplace_back(slots, -1);
        for (const TensorAccess& read : problem_.layers[scope_[p]].options[o].reads) {
          if (read.tensor != index_) continue;
          for (const int event : read.events)
            for (std::size_t s = 0; s < slots; ++s)
              if (slots_[s].form == read.form && slots_[s].from <= event && event < slots_[s].until)
                last[s] = std::max(last[s], event);
        }
      }
    sure_.assign(scope_.size() + 1, std::vector<int>(slots, -1));
    possible_ = sure_;
    for (std::size_t p = scope_.size(); p-- > 0;) {
      sure_[p] = sure_[p + 1];
      possible_[p] = possible_[p + 1];
      if (writes_[p][0] >= 0) continue;
      for (std::size_t s = 0; s < slots; ++s) {
        int least = kClosed;
        int most = -1;
        for (const std::vector<int>& last : last_[p]) {
          least = std::min(least, last[s]);
          most = std::max(most, last[s]);
        }
        sure_[p][s] = std::max(sure_[p][s], least);
        possible_[p][s] = std::max(possible_[p][s], most);
      }
    }
  }

  /// The state while the writer is not chosen: -1, then the uses seen or sure in each slot.
  std::vector<int> unknown(std::vector<int> seen, int p) const {
    for (std::size_t s = 0; s < seen.size(); ++s) seen[s] = std::max(seen[s], sure_[p][s]);
    seen.insert(seen.begin(), -1);
    return seen;
  }

  /// Makes the move of option o at position p; false when it needs a cast that does not exist.
  bool move(const std::vector<int>& state, int p, int o, std::vector<int>& next,
            ItemBuilder& cost) const {
    const std::vector<int>& uses = last_[p][o];
    if (state[0] == -2) {
      next = state;
      return true;
    }
    if (state[0] >= 0) {
      next = state;
      return extend(next, uses, p + 1, cost);
    }
    std::vector<int> seen(state.begin() + 1, state.end());
    for (std::size_t s = 0; s < seen.size(); ++s) seen[s] = std::max(seen[s], uses[s]);
    if (writes_[p][o] >= 0) return begin(writes_[p][o], seen, p + 1, next, cost);
    next = unknown(std::move(seen), p + 1);
    return true;
  }

  /// The writer is chosen: pays for its writes and for all uses seen.
  bool begin(int c, const std::vector<int>& seen, int p, std::vector<int>& next,
             ItemBuilder& cost) const {
    next.assign(classes_[c].slots.size() + 1, -1);
    next[0] = c;
    const int form = classes_[c].form;
    for (std::size_t w = 0; w < classes_[c].events.size(); ++w) {
      const int event = classes_[c].events[w];
      cost.hold(event, event, tensor_.forms[form].bytes);
      next[1 + w * forms_ + form] = event;
    }
    return extend(next, seen, p, cost);
  }

  const ProblemCast* cast(int from, int to) const {
    for (const ProblemCast& c : tensor_.casts)
      if (c.from == from && c.to == to) return &c;
    return nullptr;
  }

  /// Pays for the `uses` and for what is sure from position p on; forgets ends that cannot move.
  bool extend(std::vector<int>& state, const std::vector<int>& uses, int p,
              ItemBuilder& cost) const {
    const WriteClass& written = classes_[state[0]];
    bool all_closed = true;
    for (std::size_t w = 0; w < written.events.size(); ++w) {
      int* const ends = state.data() + 1 + w * forms_;
      const int* const slots = written.slots.data() + w * forms_;
      int latest_cast = -1;
      int possible_end = possible_[p][slots[written.form]];
      for (int f = 0; f < forms_; ++f) {
        if (f == written.form || ends[f] == kClosed) continue;
        const int end = std::max({ends[f], uses[slots[f]], sure_[p][slots[f]]});
        const ProblemCast* const made = cast(written.form, f);
        const int cast_at = made == nullptr ? -1 : std::max(written.events[w], made->event);
        if (end >= 0 && ends[f] < 0) {
          if (made == nullptr) return false;
          cost.cost(made->ms, 0);
          cost.hold(cast_at, end, tensor_.forms[f].bytes);
          latest_cast = std::max(latest_cast, cast_at);
        } else {
          cost.hold(ends[f] + 1, end, tensor_.forms[f].bytes);
        }
        ends[f] = end;
        if (end < 0 && possible_[p][slots[f]] >= 0) possible_end = std::max(possible_end, cast_at);
        if (end >= possible_[p][slots[f]]) ends[f] = kClosed;
        all_closed = all_closed && ends[f] == kClosed;
      }
      int& held = ends[written.form];
      if (held == kClosed) continue;
      const int sure = sure_[p][slots[written.form]];
      const int end = std::max({held, uses[slots[written.form]], sure, latest_cast});
      cost.hold(held + 1, end, tensor_.forms[written.form].bytes);
      held = end >= possible_end ? kClosed : end;
      all_closed = all_closed && held == kClosed;
    }
    if (all_closed) state = {-2};
    return true;
  }

  const Problem& problem_;
  int index_;
  const ProblemTensor& tensor_;
  int forms_;
  ItemPool& pool_;
  std::vector<int> scope_;
  std::vector<Slot> slots_;
  std::vector<WriteClass> classes_;
  std::vector<std::vector<int>> writes_;             // [p][o]: class, -1: not the writer
  std::vector<std::vector<std::vector<int>>> last_;  // [p][o][slot]
  std::vector<std::vector<int>> sure_;               // [p][slot]
  std::vector<std::vector<int>> possible_;
  bool impossible_ = false;
};

}  // namespace

Factor tensor_factor(const Problem& problem, int tensor, const std::vector<int>& layers,
                     const Order& order, ItemPool& pool, ItemBuilder& start,
                     std::int64_t& most_moves) {
  return TensorAutomaton(problem, tensor, layers, order, pool).build(start, most_moves);
}

StateCounts count_states(const Problem& problem, int tensor, const std::vector<int>& layers,
                         const Order& order, std::size_t eliminated, std::int64_t& most_moves) {
  ItemPool pool;
  return TensorAutomaton(problem, tensor, layers, order, pool).count(eliminated, most_moves);
}

}  // namespace mpsearch::solver
