// What the solver is held against: the format's semantics written a second time, event by event,
// and brute force over all choices. Slow, and shares no code with search/solver.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "search/solver/problem.h"

namespace mpsearch::testing {

struct ReferenceCost {
  bool allowed = true;
  double ms = 0;
  double sensitivity = 0;
  std::int64_t peak = 0;
  std::vector<std::int64_t> bytes = {};  // at each event
};

/// One tensor under one choice, asked event by event.
class ReferenceTensor {
 public:
  ReferenceTensor(const Problem& problem, int tensor, const std::vector<int>& choice)
      : tensor_(problem.tensors[tensor]) {
    if (tensor_.written) {
      form_ = tensor_.written->form;
      writes_.push_back(tensor_.written->event);
    }
    for (std::size_t l = 0; l < choice.size(); ++l) {
      for (const TensorAccess& write : problem.layers[l].options[choice[l]].writes)
        if (write.tensor == tensor) {
          form_ = write.form;
          for (const int e : write.events)
            if (std::count(writes_.begin(), writes_.end(), e) == 0) writes_.push_back(e);
        }
      for (const TensorAccess& read : problem.layers[l].options[choice[l]].reads)
        if (read.tensor == tensor)
          for (const int e : read.events) uses_.push_back({e, read.form});
    }
  }

  void pay_casts(ReferenceCost& cost) const {
    for (const int write : writes_)
      for (int form = 0; form < static_cast<int>(tensor_.forms.size()); ++form) {
        if (form == form_ || last_use(write, form) < 0) continue;
        const ProblemCast* cast = cast_to(form);
        if (cast == nullptr)
          cost.allowed = false;
        else
          cost.ms += cast->ms;
      }
  }

  std::int64_t bytes_at(int event) const {
    const int write = serving(event);
    if (write < 0) return 0;
    std::int64_t bytes = 0;
    bool hold_written = event == write || last_use(write, form_) >= event;
    for (int form = 0; form < static_cast<int>(tensor_.forms.size()); ++form) {
      if (form == form_ || last_use(write, form) < 0 || cast_to(form) == nullptr) continue;
      const int cast_at = std::max(write, cast_to(form)->event);
      if (cast_at <= event && event <= last_use(write, form)) bytes += tensor_.forms[form].bytes;
      if (cast_at >= event) hold_written = true;
    }
    return hold_written ? bytes + tensor_.forms[form_].bytes : bytes;
  }

 private:
  struct Use {
    int event;
    int form;
  };

  int serving(int event) const {
    int last = -1;
    for (const int write : writes_)
      if (write <= event) last = std::max(last, write);
    return last;
  }
  int last_use(int write, int form) const {
    int last = -1;
    for (const Use& use : uses_)
      if (use.form == form && serving(use.event) == write) last = std::max(last, use.event);
    return last;
  }
  const ProblemCast* cast_to(int form) const {
    for (const ProblemCast& cast : tensor_.casts)
      if (cast.from == form_ && cast.to == form) return &cast;
    return nullptr;
  }

  const ProblemTensor& tensor_;
  int form_ = -1;
  std::vector<int> writes_;
  std::vector<Use> uses_;
};

inline ReferenceCost reference_cost(const Problem& problem, const std::vector<int>& choice) {
  ReferenceCost cost;
  std::vector<std::int64_t> bytes = problem.base;
  const auto hold = [&](const std::vector<ByteInterval>& intervals) {
    for (const ByteInterval& i : intervals)
      for (int e = i.first; e <= i.last; ++e) bytes[e] += i.bytes;
  };
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const ProblemOption& option = problem.layers[l].options[choice[l]];
    cost.ms += option.ms;
    cost.sensitivity += option.sensitivity;
    hold(option.bytes);
  }
  for (int t = 0; t < static_cast<int>(problem.tensors.size()); ++t) {
    const ReferenceTensor tensor(problem, t, choice);
    tensor.pay_casts(cost);
    for (int e = 0; e < problem.events; ++e) bytes[e] += tensor.bytes_at(e);
  }
  for (const ProblemPair& pair : problem.pairs)
    for (const PairTerm& term : pair.terms)
      if (choice[pair.a] == term.a_option && choice[pair.b] == term.b_option) {
        cost.ms += term.ms;
        cost.sensitivity += term.sensitivity;
        hold(term.bytes);
      }
  cost.peak = *std::max_element(bytes.begin(), bytes.end());
  cost.bytes = std::move(bytes);
  return cost;
}

/// Calls visit(choice, cost) for every allowed choice.
template <class Visit>
void for_each_choice(const Problem& problem, Visit visit) {
  std::vector<int> choice(problem.layers.size(), 0);
  while (true) {
    const ReferenceCost cost = reference_cost(problem, choice);
    if (cost.allowed) visit(choice, cost);
    std::size_t l = 0;
    while (l < choice.size() && ++choice[l] == static_cast<int>(problem.layers[l].options.size()))
      choice[l++] = 0;
    if (l == choice.size()) return;
  }
}

inline bool reference_within(const Problem& problem, const ReferenceCost& cost) {
  const auto at_most = [](double sum, double limit) {
    return sum <= limit + 1e-9 * std::fabs(limit);
  };
  return cost.peak <= problem.limits.bytes &&
         (!problem.limits.ms || at_most(cost.ms, *problem.limits.ms)) &&
         (!problem.limits.sensitivity || at_most(cost.sensitivity, *problem.limits.sensitivity));
}

}  // namespace mpsearch::testing
