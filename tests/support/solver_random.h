// Small random problems with every feature of the format: casts (some missing), saved forms,
// gradients, rewrites, given tensors, pair terms with negative bytes, a second limit.
// Used by the solver's tests; the seed is the whole input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>

#include "search/solver/problem.h"

namespace mpsearch::testing {

/// Draws one problem; limits are left loose, so that a caller can tighten them.
class RandomProblem {
 public:
  explicit RandomProblem(std::uint64_t seed, int max_layers = 8, int max_options = 4)
      : random_(seed), max_options_(max_options) {
    layers_ = between(1, max_layers);
    problem_.events = 2 * layers_ + 1;
  }

  Problem draw() {
    problem_.objective = chance(0.5) ? Objective::Ms : Objective::Sensitivity;
    problem_.limits.bytes = std::int64_t{1} << 40;
    for (int e = 0; e < problem_.events; ++e) problem_.base.push_back(between(0, 30));
    for (int l = 0; l < layers_; ++l) add_tensor("a", l, false);
    for (int l = 0; l < layers_; ++l) add_tensor("g", backward(l + 1 < layers_ ? l + 1 : l), false);
    add_tensor("data", between(0, 0), true);
    for (int l = 0; l < layers_; ++l) add_layer(l);
    const int pairs = between(1, 3);
    for (int p = 0; p < pairs; ++p) add_pair();
    place_casts();
    return problem_;
  }

  int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }

 private:
  int backward(int layer) const { return 2 * layers_ - layer; }
  /// Multiples of 1/8 now and then tie; others do not.
  double cost(int high) {
    return coarse_ ? between(0, high) / 8.0 : between(0, high * 1000) / 7919.0;
  }

  void add_tensor(const std::string& prefix, int event, bool given) {
    ProblemTensor tensor;
    tensor.name = prefix + std::to_string(problem_.tensors.size());
    for (const char* form : {"F32", "BF16", "F8E4M3"})
      tensor.forms.push_back({form, between(0, 40)});
    if (given) tensor.written = GivenWrite{between(0, 2), event};
    problem_.tensors.push_back(tensor);
    first_use_.push_back(problem_.events - 1);
  }

  void use(ProblemOption& option, int tensor, std::vector<int> events) {
    for (const int event : events) first_use_[tensor] = std::min(first_use_[tensor], event);
    option.reads.push_back({tensor, between(0, 2), std::move(events)});
  }

  void add_layer(int l) {
    ProblemLayer layer;
    layer.name = "layer" + std::to_string(l);
    const int options = between(1, max_options_);
    const int skip = l > 1 ? between(0, l - 2) : -1;
    for (int o = 0; o < options; ++o) {
      ProblemOption option;
      option.name = "option" + std::to_string(o);
      option.ms = cost(20);
      option.sensitivity = cost(20);
      const int intervals = between(0, 2);
      for (int i = 0; i < intervals; ++i) {
        const int first = between(0, problem_.events - 1);
        option.bytes.push_back({first, between(first, problem_.events - 1), between(0, 40)});
      }
      std::vector<int> writes = {l};
      if (chance(0.3)) writes.push_back(between(l + 1, problem_.events - 1));
      if (chance(0.1)) writes.push_back(between(l + 1, problem_.events - 1));
      option.writes.push_back({l, between(0, 1), writes});
      if (l > 0) {
        use(option, l - 1, {l});
        option.writes.push_back({layers_ + l - 1, between(0, 1), {backward(l)}});
        if (chance(0.7)) use(option, l - 1, {backward(l)});
      }
      if (skip >= 0 && chance(0.7)) use(option, skip, {l, backward(l)});
      if (chance(0.4)) use(option, l, {backward(l)});
      if (l + 1 < layers_) use(option, layers_ + l, {backward(l)});
      if (l + 1 == layers_) option.writes.push_back({2 * layers_ - 1, 0, {backward(l)}});
      if (chance(0.3)) use(option, 2 * layers_, {l});
      layer.options.push_back(option);
    }
    problem_.layers.push_back(layer);
  }

  void add_pair() {
    ProblemPair pair{between(0, layers_ - 1), between(0, layers_ - 1), {}};
    const int terms = between(1, 4);
    for (int t = 0; t < terms; ++t) {
      PairTerm term;
      term.a_option = between(0, static_cast<int>(problem_.layers[pair.a].options.size()) - 1);
      term.b_option = between(0, static_cast<int>(problem_.layers[pair.b].options.size()) - 1);
      term.ms = cost(5);
      term.sensitivity = cost(5);
      const int first = between(0, problem_.events - 1);
      term.bytes.push_back({first, between(first, problem_.events - 1), between(-20, 20)});
      pair.terms.push_back(term);
    }
    problem_.pairs.push_back(pair);
  }

  void place_casts() {
    for (std::size_t t = 0; t < problem_.tensors.size(); ++t)
      for (int from = 0; from < 3; ++from)
        for (int to = 0; to < 3; ++to)
          if (from != to && chance(0.93))
            problem_.tensors[t].casts.push_back({from, to, between(0, first_use_[t]), cost(6)});
  }

  std::mt19937_64 random_;
  int max_options_ = 0;
  int layers_ = 0;
  bool coarse_ = chance(0.5);
  Problem problem_;
  std::vector<int> first_use_;
};

}  // namespace mpsearch::testing
