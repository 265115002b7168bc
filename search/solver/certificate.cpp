#include "search/solver/certificate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "search/solver/check.h"
#include "search/solver/priced_tensor.h"

namespace mpsearch {
namespace {

using proof::PricedTable;
using proof::Prices;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr long kMostTableArcs = 4'000'000;
constexpr std::size_t kStarts = 12;  // layers from which an order is grown

/// Layers that touch each tensor, then those of each pair: what an order keeps open.
std::vector<std::vector<int>> scopes_of(const Problem& problem) {
  std::vector<std::set<int>> scopes(problem.tensors.size());
  for (std::size_t l = 0; l < problem.layers.size(); ++l)
    for (const ProblemOption& option : problem.layers[l].options)
      for (const auto* const accesses : {&option.writes, &option.reads})
        for (const TensorAccess& access : *accesses)
          scopes[static_cast<std::size_t>(access.tensor)].insert(static_cast<int>(l));
  for (const ProblemPair& pair : problem.pairs) scopes.push_back({pair.a, pair.b});
  std::vector<std::vector<int>> out;
  for (const std::set<int>& scope : scopes) out.emplace_back(scope.begin(), scope.end());
  return out;
}

/// Grows orders of the layers and remembers the one that keeps least open.
class OrderSearch {
 public:
  OrderSearch(const std::vector<std::vector<int>>& scopes, std::size_t layers)
      : scopes_(scopes), of_(layers), next_to_(layers) {
    for (std::size_t s = 0; s < scopes.size(); ++s) {
      if (scopes[s].size() < 2) continue;
      for (const int layer : scopes[s]) {
        of_[static_cast<std::size_t>(layer)].push_back(s);
        for (const int other : scopes[s]) next_to_[static_cast<std::size_t>(layer)].insert(other);
      }
    }
  }

  std::vector<int> best() {
    const std::size_t layers = of_.size();
    std::vector<int> natural;
    for (std::size_t l = 0; l < layers; ++l) natural.push_back(static_cast<int>(l));
    consider(natural);
    consider({natural.rbegin(), natural.rend()});
    const std::size_t stride = std::max<std::size_t>(1, layers / kStarts);
    for (std::size_t start = 0; start < layers; start += stride)
      consider(grown_from(static_cast<int>(start)));
    return best_;
  }

 private:
  /// How many layers already taken share a scope with one that is not, step by step.
  void consider(const std::vector<int>& order) {
    std::vector<std::size_t> left(next_to_.size());
    std::vector<char> taken(next_to_.size(), 0);
    for (std::size_t l = 0; l < left.size(); ++l) left[l] = next_to_[l].size();
    double cost = 0;
    int open = 0;
    for (const int layer : order) {
      taken[static_cast<std::size_t>(layer)] = 1;
      for (const int other : next_to_[static_cast<std::size_t>(layer)]) {
        std::size_t& waiting = left[static_cast<std::size_t>(other)];
        if (--waiting == 0 && taken[static_cast<std::size_t>(other)] != 0 && other != layer) --open;
      }
      if (left[static_cast<std::size_t>(layer)] > 0) ++open;
      cost += std::exp2(std::min(open, 500));
    }
    if (!best_.empty() && cost >= best_cost_) return;
    best_ = order;
    best_cost_ = cost;
  }

  /// Always the neighbour that closes most and opens least.
  std::vector<int> grown_from(int start) const {
    std::vector<int> order;
    std::vector<char> taken(of_.size(), 0);
    std::vector<std::size_t> left(scopes_.size());
    for (std::size_t s = 0; s < left.size(); ++s) left[s] = scopes_[s].size();
    std::set<int> near;
    int layer = start;
    while (true) {
      order.push_back(layer);
      taken[static_cast<std::size_t>(layer)] = 1;
      near.erase(layer);
      for (const std::size_t s : of_[static_cast<std::size_t>(layer)]) --left[s];
      for (const int other : next_to_[static_cast<std::size_t>(layer)])
        if (taken[static_cast<std::size_t>(other)] == 0) near.insert(other);
      if (order.size() == of_.size()) return order;
      if (near.empty()) {
        layer = static_cast<int>(std::ranges::find(taken, 0) - taken.begin());
        continue;
      }
      int least = std::numeric_limits<int>::max();
      for (const int candidate : near) {
        int opens = 0;
        for (const std::size_t s : of_[static_cast<std::size_t>(candidate)])
          opens += left[s] == 1 ? -1 : left[s] == scopes_[s].size() ? 1 : 0;
        if (opens >= least) continue;
        least = opens;
        layer = candidate;
      }
    }
  }

  const std::vector<std::vector<int>>& scopes_;
  std::vector<std::vector<std::size_t>> of_;  // scopes of each layer
  std::vector<std::set<int>> next_to_;        // layers that share a scope, itself among them
  std::vector<int> best_;
  double best_cost_ = 0;
};

struct KeyHash {
  std::size_t operator()(const std::vector<int>& key) const {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const int part : key) hash = (hash ^ static_cast<std::uint64_t>(part)) * 0x100000001b3U;
    return static_cast<std::size_t>(hash ^ (hash >> 29));
  }
};

/// The least price of each way to leave the open tables, by their states.
using Frontier = std::unordered_map<std::vector<int>, double, KeyHash>;

class Elimination {
 public:
  Elimination(const Problem& problem, const std::vector<PricedTable>& tables, const Prices& prices)
      : problem_(problem), tables_(tables), prices_(prices), at_(problem.layers.size()) {
    for (std::size_t t = 0; t < tables.size(); ++t)
      for (std::size_t k = 0; k < tables[t].layers.size(); ++k)
        at_[static_cast<std::size_t>(tables[t].layers[k])].push_back({t, k});
  }

  std::optional<double> least(const std::vector<int>& order, std::size_t most_states) {
    Frontier frontier{{{}, 0.0}};
    std::size_t states = 0;
    for (const int layer : order) {
      frontier = taken(frontier, layer);
      states += frontier.size();
      if (states > most_states) return std::nullopt;
      if (frontier.empty()) return kInfinity;
    }
    return frontier.begin()->second;
  }

 private:
  struct Place {
    std::size_t table = 0;
    std::size_t step = 0;
  };

  double own(const ProblemOption& option) const {
    return prices_.ms() * option.ms + prices_.sensitivity() * option.sensitivity +
           prices_.of(option.bytes);
  }

  Frontier taken(const Frontier& before, int layer) {
    const std::vector<ProblemOption>& options =
        problem_.layers[static_cast<std::size_t>(layer)].options;
    const std::vector<Place>& places = at_[static_cast<std::size_t>(layer)];
    std::vector<int> slot;           // of each place among the open tables, -1: opens now
    std::vector<std::size_t> after;  // open tables after the layer: first those that stay
    std::vector<std::size_t> stays;  // their slots before
    for (const Place& place : places) {
      const auto open = std::ranges::find(open_, place.table);
      slot.push_back(open == open_.end() ? -1 : static_cast<int>(open - open_.begin()));
    }
    for (std::size_t s = 0; s < open_.size(); ++s) {
      if (std::ranges::find(places, open_[s], &Place::table) != places.end()) continue;
      stays.push_back(s);
      after.push_back(open_[s]);
    }
    for (const Place& place : places)
      if (place.step + 1 < tables_[place.table].layers.size()) after.push_back(place.table);
    std::vector<double> price;
    for (const ProblemOption& option : options) price.push_back(own(option));

    Frontier out;
    std::vector<int> key;
    for (const auto& [state, so_far] : before)
      for (std::size_t o = 0; o < options.size(); ++o) {
        double sum = so_far + price[o];
        key.clear();
        for (const std::size_t s : stays) key.push_back(state[s]);
        bool allowed = true;
        for (std::size_t p = 0; p < places.size() && allowed; ++p) {
          const PricedTable& table = tables_[places[p].table];
          const std::size_t from = slot[p] < 0 ? 0 : static_cast<std::size_t>(state[slot[p]]);
          const PricedTable::Arc& arc = table.arcs[places[p].step][from * options.size() + o];
          allowed = arc.next >= 0;
          sum += arc.price;
          if (places[p].step + 1 < table.layers.size()) key.push_back(arc.next);
        }
        if (!allowed) continue;
        const auto [place, added] = out.try_emplace(key, sum);
        if (!added) place->second = std::min(place->second, sum);
      }
    open_ = std::move(after);
    return out;
  }

  const Problem& problem_;
  const std::vector<PricedTable>& tables_;
  const Prices& prices_;
  std::vector<std::vector<Place>> at_;  // tables of each layer
  std::vector<std::size_t> open_;
};

/// Sum of multiplier x limit that the bound gives back; limits on sums hold within their tolerance.
double granted(const Problem& problem, const Certificate& certificate) {
  const auto relaxed = [](double limit) { return limit + 1e-9 * std::fabs(limit); };
  double sum = 0;
  for (const EventPrice& event : certificate.events)
    sum += event.price * static_cast<double>(problem.limits.bytes -
                                             problem.base[static_cast<std::size_t>(event.event)]);
  if (problem.limits.ms) sum += certificate.ms * relaxed(*problem.limits.ms);
  if (problem.limits.sensitivity)
    sum += certificate.sensitivity * relaxed(*problem.limits.sensitivity);
  return sum;
}

std::string faulty_multiplier(const Problem& problem, const Certificate& certificate) {
  const auto good = [](double value) { return std::isfinite(value) && value >= 0; };
  int last = -1;
  for (const EventPrice& event : certificate.events) {
    if (event.event < 0 || event.event >= problem.events)
      return fmt::format("a multiplier is of event {}, outside 0 to {}", event.event,
                         problem.events - 1);
    if (event.event <= last) return fmt::format("two multipliers of event {}", event.event);
    last = event.event;
    if (!good(event.price))
      return fmt::format("the multiplier of event {} is {}: none may be negative", event.event,
                         event.price);
  }
  if (!good(certificate.ms) || !good(certificate.sensitivity))
    return "the multiplier of a limit on a sum is negative or not finite";
  if (certificate.ms != 0 && !problem.limits.ms)
    return "a multiplier of a limit on ms, but no limit";
  if (certificate.sensitivity != 0 && !problem.limits.sensitivity)
    return "a multiplier of a limit on sensitivity, but no limit";
  return {};
}

/// What rounding may shift a sum of this problem's prices by.
double tolerance(const Problem& problem, const Certificate& certificate, double value) {
  double size = std::fabs(value);
  for (const EventPrice& event : certificate.events)
    size += event.price * static_cast<double>(problem.limits.bytes);
  if (problem.limits.ms) size += certificate.ms * std::fabs(*problem.limits.ms);
  if (problem.limits.sensitivity)
    size += certificate.sensitivity * std::fabs(*problem.limits.sensitivity);
  return 1e-9 * std::fabs(value) + 1e-11 * size;
}

std::string faulty_numbers(const Problem& problem, const Claim& claim) {
  const Evaluation evaluation = evaluate(problem, claim.choice);
  if (std::string why = violated_limit(problem, evaluation); !why.empty()) return why;
  const double objective =
      problem.objective == Objective::Ms ? evaluation.ms : evaluation.sensitivity;
  const double slack = 1e-9 * std::max(std::fabs(objective), std::fabs(claim.objective));
  if (!(std::fabs(objective - claim.objective) <= slack))
    return fmt::format("the layers' objective is {:.6g}{}, the plan says {:.6g}", objective,
                       problem.objective == Objective::Ms ? " ms" : " sensitivity",
                       claim.objective);
  if (!(claim.bound <= claim.objective + slack))
    return fmt::format("the bound {} is above the objective {}", claim.bound, claim.objective);
  if (claim.optimal && !(claim.objective - claim.bound <= slack))
    return fmt::format("called optimal, but the bound {} is below the objective {}", claim.bound,
                       claim.objective);
  const double gap = relative_gap(claim.objective, claim.bound);
  if (!(std::fabs(claim.gap - gap) <= 1e-6 * std::max(1e-3, gap)))
    return fmt::format("the gap is {}, not {}", gap, claim.gap);
  return {};
}

}  // namespace

std::optional<double> lagrangian_bound(const Problem& problem, const Certificate& certificate,
                                       std::size_t most_states) {
  const Prices prices(problem, certificate);
  const std::vector<std::vector<int>> scopes = scopes_of(problem);
  const std::vector<int> order = OrderSearch(scopes, problem.layers.size()).best();
  std::vector<int> position(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    position[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  long room = kMostTableArcs;
  double sum = 0;
  std::vector<PricedTable> tables;
  for (std::size_t s = 0; s < scopes.size(); ++s) {
    if (scopes[s].empty()) {  // a given tensor that nobody reads still lies there
      const ProblemTensor& tensor = problem.tensors[s];
      if (tensor.written)
        sum += static_cast<double>(
                   tensor.forms[static_cast<std::size_t>(tensor.written->form)].bytes) *
               prices.held(tensor.written->event, tensor.written->event);
      continue;
    }
    std::vector<int> layers = scopes[s];
    std::ranges::sort(layers, {}, [&](int l) { return position[static_cast<std::size_t>(l)]; });
    tables.push_back(
        s < problem.tensors.size()
            ? proof::priced_tensor(problem, static_cast<int>(s), std::move(layers), prices, room)
            : proof::priced_pair(problem, problem.pairs[s - problem.tensors.size()],
                                 std::move(layers), prices));
    if (room < 0) return std::nullopt;
    sum += tables.back().start;
  }
  const std::optional<double> least =
      Elimination(problem, tables, prices).least(order, most_states);
  if (!least) return std::nullopt;
  return *least + sum - granted(problem, certificate);
}

CertificateCheck check_certificate(const Problem& problem, const Claim& claim) {
  CertificateCheck check;
  check.fault = faulty_numbers(problem, claim);
  if (!check.fault.empty() || !claim.certificate) return check;
  const Certificate& certificate = *claim.certificate;
  check.fault = faulty_multiplier(problem, certificate);
  if (!check.fault.empty()) return check;
  check.bound = lagrangian_bound(problem, certificate);
  if (!check.bound) return check;
  const double slack = tolerance(problem, certificate, *check.bound);
  if (!(certificate.bound <= *check.bound + slack))
    check.fault =
        fmt::format("the multipliers prove a bound of {}, not {}", *check.bound, certificate.bound);
  else if (!(certificate.bound <= claim.bound + slack))
    check.fault = fmt::format("the multipliers' bound {} is above the claimed bound {}",
                              certificate.bound, claim.bound);
  return check;
}

}  // namespace mpsearch
