#include "search/solver/priced_tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

namespace mpsearch::proof {
namespace {

constexpr double kForbidden = std::numeric_limits<double>::infinity();

/// Arcs between states that nothing has merged yet, laid out as PricedTable::arcs.
using RawArcs = std::vector<std::vector<PricedTable::Arc>>;

/// Moves each state's least price onto the arcs that lead to it, and merges states whose rows are
/// then equal: the table means the same.
PricedTable merged(std::vector<int> layers, const std::vector<std::size_t>& options, RawArcs raw) {
  PricedTable table;
  table.layers = std::move(layers);
  table.arcs.resize(raw.size());
  std::vector<int> merged_next{0};
  std::vector<double> least_next{0};
  bool matters = false;
  for (std::size_t k = raw.size(); k-- > 0;) {
    const std::size_t states = raw[k].size() / options[k];
    std::vector<int> merged_here(states, -1);
    std::vector<double> least_here(states, kForbidden);
    std::map<std::vector<std::pair<int, double>>, int> known;
    for (std::size_t s = 0; s < states; ++s) {
      std::vector<std::pair<int, double>> row;
      for (std::size_t o = 0; o < options[k]; ++o) {
        const PricedTable::Arc& arc = raw[k][s * options[k] + o];
        const bool open = arc.next >= 0 && merged_next[static_cast<std::size_t>(arc.next)] >= 0;
        const double price =
            open ? arc.price + least_next[static_cast<std::size_t>(arc.next)] : kForbidden;
        row.emplace_back(open ? merged_next[static_cast<std::size_t>(arc.next)] : -1, price);
        least_here[s] = std::min(least_here[s], price);
      }
      if (std::isinf(least_here[s])) continue;
      for (auto& [next, price] : row) {
        price = next < 0 ? 0 : price - least_here[s];
        matters = matters || next < 0 || price != 0;
      }
      const auto [place, added] = known.try_emplace(row, static_cast<int>(known.size()));
      merged_here[s] = place->second;
      if (!added) continue;
      for (const auto& [next, price] : row) table.arcs[k].push_back({next, price});
    }
    merged_next = std::move(merged_here);
    least_next = std::move(least_here);
  }
  table.start = least_next[0];  // infinite where nothing is allowed
  if (!matters || std::isinf(table.start)) {
    table.layers.clear();
    table.arcs.clear();
  }
  return table;
}

/// What an option does with one tensor, events replaced by what their price depends on.
struct Touch {
  int writer = -1;
  std::vector<std::pair<std::size_t, int>> uses;  // place in TensorStates::last, event
};

class TensorStates {
 public:
  TensorStates(const Problem& problem, int tensor, std::vector<int> layers, const Prices& prices)
      : problem_(problem),
        tensor_(problem.tensors[static_cast<std::size_t>(tensor)]),
        prices_(prices),
        layers_(std::move(layers)) {
    if (tensor_.written) {
      writers_.push_back({tensor_.written->form, {tensor_.written->event}});
      writes_.push_back(tensor_.written->event);
    }
    for (const int layer : layers_)
      for (const ProblemOption& option : problem_.layers[static_cast<std::size_t>(layer)].options)
        for (const TensorAccess& write : option.writes)
          if (write.tensor == tensor)
            writes_.insert(writes_.end(), write.events.begin(), write.events.end());
    sort_once(writes_);
    for (const int layer : layers_) collect(tensor, layer);
  }

  PricedTable table(long& room) {
    RawArcs raw;
    std::vector<std::size_t> options;
    std::map<std::vector<int>, int> level;  // a state: the writer, then the last use of each place
    std::vector<int> begin(1 + writes_.size() * tensor_.forms.size(), -1);
    if (tensor_.written) begin[0] = 0;
    level[begin] = 0;
    for (std::size_t k = 0; k < layers_.size() && room >= 0; ++k) {
      const bool last = k + 1 == layers_.size();
      options.push_back(touches_[k].size());
      std::vector<PricedTable::Arc>& arcs = raw.emplace_back(level.size() * options.back());
      room -= static_cast<long>(arcs.size());
      if (room < 0) break;
      std::map<std::vector<int>, int> next;
      for (const auto& [state, index] : level)
        for (std::size_t o = 0; o < options.back(); ++o) {
          const std::vector<int> after = touched(state, touches_[k][o]);
          PricedTable::Arc& arc = arcs[static_cast<std::size_t>(index) * options.back() + o];
          if (last) {
            arc = {0, price_of(after)};
            if (std::isinf(arc.price)) arc = {};
          } else {
            arc.next = next.try_emplace(after, static_cast<int>(next.size())).first->second;
          }
        }
      level = std::move(next);
    }
    if (room < 0) return {};
    return merged(layers_, options, std::move(raw));
  }

 private:
  static void sort_once(std::vector<int>& events) {
    std::ranges::sort(events);
    events.erase(std::unique(events.begin(), events.end()), events.end());
  }

  void collect(int tensor, int layer) {
    std::vector<Touch>& touches = touches_.emplace_back();
    for (const ProblemOption& option : problem_.layers[static_cast<std::size_t>(layer)].options) {
      Touch& touch = touches.emplace_back();
      std::pair<int, std::vector<int>> writer{-1, {}};
      for (const TensorAccess& write : option.writes) {
        if (write.tensor != tensor) continue;
        writer.first = write.form;
        writer.second.insert(writer.second.end(), write.events.begin(), write.events.end());
      }
      if (writer.first >= 0) {
        sort_once(writer.second);
        const auto known = std::ranges::find(writers_, writer);
        touch.writer = static_cast<int>(known - writers_.begin());
        if (known == writers_.end()) writers_.push_back(std::move(writer));
      }
      for (const TensorAccess& read : option.reads) {
        if (read.tensor != tensor) continue;
        for (const int event : read.events) {
          const auto served = std::ranges::upper_bound(writes_, event) - writes_.begin();
          if (served == 0) continue;
          const std::size_t place = static_cast<std::size_t>(served - 1) * tensor_.forms.size() +
                                    static_cast<std::size_t>(read.form);
          touch.uses.emplace_back(1 + place, prices_.alike(event));
        }
      }
    }
  }

  static std::vector<int> touched(std::vector<int> state, const Touch& touch) {
    if (touch.writer >= 0) state[0] = touch.writer;
    for (const auto& [place, event] : touch.uses) state[place] = std::max(state[place], event);
    return state;
  }

  /// What the tensor costs once all that touches it is known.
  double price_of(const std::vector<int>& state) const {
    const auto& [form, events] = writers_[static_cast<std::size_t>(state[0])];
    double price = 0;
    for (std::size_t w = 0; w < events.size(); ++w) {
      const int until = w + 1 < events.size() ? events[w + 1] : problem_.events;
      price += price_of_write(state, form, events[w], until);
    }
    return price;
  }

  double price_of_write(const std::vector<int>& state, int written, int from, int until) const {
    double price = 0;
    int written_end = from;
    for (std::size_t form = 0; form < tensor_.forms.size(); ++form) {
      int last = -1;
      for (std::size_t w = 0; w < writes_.size(); ++w)
        if (writes_[w] >= from && writes_[w] < until)
          last = std::max(last, state[1 + w * tensor_.forms.size() + form]);
      if (last < 0) continue;
      if (static_cast<int>(form) == written) {
        written_end = std::max(written_end, last);
        continue;
      }
      const auto cast = std::ranges::find_if(tensor_.casts, [&](const ProblemCast& c) {
        return c.from == written && c.to == static_cast<int>(form);
      });
      if (cast == tensor_.casts.end()) return kForbidden;
      const int at = std::max(from, cast->event);
      written_end = std::max(written_end, at);
      price += prices_.ms() * cast->ms +
               static_cast<double>(tensor_.forms[form].bytes) * prices_.held(at, last);
    }
    return price + static_cast<double>(tensor_.forms[static_cast<std::size_t>(written)].bytes) *
                       prices_.held(from, written_end);
  }

  const Problem& problem_;
  const ProblemTensor& tensor_;
  const Prices& prices_;
  std::vector<int> layers_;
  std::vector<std::pair<int, std::vector<int>>> writers_;  // form and events, each once
  std::vector<int> writes_;                                // all events that may be a write
  std::vector<std::vector<Touch>> touches_;                // by layer and option
};

}  // namespace

Prices::Prices(const Problem& problem, const Certificate& certificate)
    : ms_(certificate.ms + (problem.objective == Objective::Ms ? 1 : 0)),
      sensitivity_(certificate.sensitivity + (problem.objective == Objective::Ms ? 0 : 1)),
      until_(static_cast<std::size_t>(problem.events) + 1, 0),
      count_(static_cast<std::size_t>(problem.events), 0),
      alike_(static_cast<std::size_t>(problem.events), 0) {
  std::vector<double> price(static_cast<std::size_t>(problem.events), 0);
  for (const EventPrice& event : certificate.events)
    price[static_cast<std::size_t>(event.event)] += event.price;
  int count = 0;
  for (std::size_t e = 0; e < price.size(); ++e) {
    if (price[e] != 0) ++count;
    until_[e + 1] = until_[e] + price[e];
    count_[e] = count;
  }
  for (std::size_t e = price.size(); e-- > 0;)
    alike_[e] =
        e + 1 < price.size() && count_[e + 1] == count_[e] ? alike_[e + 1] : static_cast<int>(e);
}

double Prices::of(const std::vector<ByteInterval>& bytes) const {
  double sum = 0;
  for (const ByteInterval& interval : bytes)
    sum += static_cast<double>(interval.bytes) * held(interval.first, interval.last);
  return sum;
}

PricedTable priced_tensor(const Problem& problem, int tensor, std::vector<int> layers,
                          const Prices& prices, long& room) {
  return TensorStates(problem, tensor, std::move(layers), prices).table(room);
}

PricedTable priced_pair(const Problem& problem, const ProblemPair& pair, std::vector<int> layers,
                        const Prices& prices) {
  const auto options_of = [&](int layer) {
    return problem.layers[static_cast<std::size_t>(layer)].options.size();
  };
  const auto price = [&](std::size_t a, std::size_t b) {
    double sum = 0;
    for (const PairTerm& term : pair.terms)
      if (term.a_option == static_cast<int>(a) && term.b_option == static_cast<int>(b))
        sum +=
            prices.ms() * term.ms + prices.sensitivity() * term.sensitivity + prices.of(term.bytes);
    return sum;
  };
  RawArcs raw(layers.size());
  std::vector<std::size_t> options;
  for (const int layer : layers) options.push_back(options_of(layer));
  for (std::size_t o = 0; o < options[0]; ++o)
    raw[0].push_back(layers.size() == 1 ? PricedTable::Arc{0, price(o, o)}
                                        : PricedTable::Arc{static_cast<int>(o), 0});
  if (layers.size() > 1) {
    const bool swapped = layers[0] != pair.a;
    for (std::size_t first = 0; first < options[0]; ++first)
      for (std::size_t second = 0; second < options[1]; ++second)
        raw[1].push_back({0, swapped ? price(second, first) : price(first, second)});
  }
  return merged(std::move(layers), options, std::move(raw));
}

}  // namespace mpsearch::proof
