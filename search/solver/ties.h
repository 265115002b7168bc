// What ties layers together, and how many states that has when some of the layers are eliminated.
// Used where orders are chosen.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <vector>

#include "search/solver/factor.h"
#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::solver {

/// Some of up to 64 things, a bit each.
using Bits = std::uint64_t;

/// A number for each set of things, once it is known.
class SetTable {
 public:
  explicit SetTable(std::size_t things) {
    if (things <= kDense) dense_.assign(std::size_t{1} << things, kUnknown);
  }
  /// NaN where nothing is known of the set.
  double at(Bits set) const {
    if (!dense_.empty()) return dense_[set];
    const auto found = sparse_.find(set);
    return found == sparse_.end() ? kUnknown : found->second;
  }
  void put(Bits set, double value) { (dense_.empty() ? sparse_[set] : dense_[set]) = value; }
  void clear() {
    dense_.assign(dense_.size(), kUnknown);
    sparse_.clear();
  }

 private:
  static constexpr std::size_t kDense = 8;
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> dense_;
  std::unordered_map<Bits, double> sparse_;
};

/// How a layer's options use a tensor: in each form the last events, and how many forms they write.
struct TensorUses {
  std::vector<std::vector<int>> last;
  int written = 0;
};

/// A place of a layer in a tie.
struct TiePlace {
  int tie = 0;
  int place = 0;
};

/// The tensors, pairs and forbidden combinations that tie layers together, and how many states
/// each has when some of its layers are eliminated: guessed from what each layer's options tell of
/// it, or once count() was called counted where asked for.
class Ties {
 public:
  Ties(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden);
  void count();

  std::size_t size() const { return all_.size(); }
  int problem_layers() const { return static_cast<int>(of_.size()); }
  const std::vector<int>& layers(int tie) const { return all_[tie].layers; }
  const std::vector<TiePlace>& of(int layer) const { return of_[layer]; }
  /// Where the tie stands in `of` the layer at `place`.
  int rank(int tie, int place) const { return all_[tie].rank[place]; }
  /// All its layers.
  Bits whole(int tie) const { return all_[tie].whole; }

  /// Of the states of one tie, as a power of two; `done`: its eliminated layers, not all of them.
  double bits(int tie, Bits done) {
    const double known = all_[tie].bits.at(done);
    return std::isnan(known) ? find_bits(tie, done) : known;
  }
  /// The same of some `ties` of a layer together, as far as its own option tells them.
  double joint_bits(int layer, Bits ties) {
    const double known = joint_[layer].at(ties);
    return std::isnan(known) ? find_joint_bits(layer, ties) : known;
  }

 private:
  enum class Kind { Tensor, Pair, Forbidden };
  struct Tie {
    Tie(Kind of, int at, std::vector<int> its_layers);

    Kind kind;
    int index;
    std::vector<int> layers;
    Bits whole;
    std::vector<int> rank;
    std::vector<double> told;                   // by each layer, in bits
    std::vector<TensorUses> uses;               // by each layer
    std::vector<std::vector<int>> state_after;  // [place][option]: of that layer alone, counted
    SetTable bits;
  };

  void add(Kind kind, int index, std::vector<int> layers);
  void tell(Tie& tie) const;
  double guess(const Tie& tie, Bits done) const;
  void count(Tie& tie, Bits done) const;
  StateCounts count_tensor(const Tie& tie, const Order& order, std::size_t eliminated) const;
  StateCounts count_other(const Tie& tie, const Order& order, std::size_t eliminated) const;
  double find_bits(int tie, Bits done);
  double find_joint_bits(int layer, Bits ties);

  const Problem& problem_;
  const std::vector<std::vector<Pick>>& forbidden_;
  std::vector<Tie> all_;
  std::vector<std::vector<TiePlace>> of_;
  std::vector<SetTable> joint_;  // of each layer
  bool counted_ = false;
};

}  // namespace mpsearch::solver
