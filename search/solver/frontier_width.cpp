#include "search/solver/frontier_width.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace mpsearch::solver {
namespace {

/// Numbers of states that differ by less, in bits, are one.
constexpr double kSame = 1e-9;

}  // namespace

Frontier::Frontier(Ties& ties)
    : ties_(ties),
      done_(ties.size(), 0),
      alone_(ties.problem_layers(), 0),
      alone_bits_(ties.problem_layers(), 0),
      tie_bits_(ties.size(), 0) {}

/// Eliminates the layer or takes that back.
void Frontier::change(int layer) {
  changed_.assign(1, layer);
  const auto turn = [&](int tie, Bits done) {  // whether one layer alone tells it
    if (done == 0 || (done & (done - 1)) != 0 || done == ties_.whole(tie)) return;
    const int place = std::countr_zero(done);
    const int other = ties_.layers(tie)[place];
    alone_[other] ^= Bits{1} << ties_.rank(tie, place);
    if (std::ranges::find(changed_, other) == changed_.end()) changed_.push_back(other);
  };
  for (const auto& [tie, place] : ties_.of(layer)) {
    turn(tie, done_[tie]);
    done_[tie] ^= Bits{1} << place;
    turn(tie, done_[tie]);
  }
  for (const int other : changed_) tell_alone(other);
  for (const int other : changed_) tell_together(other);
}

void Frontier::tell_alone(int layer) {
  const double bits = ties_.joint_bits(layer, alone_[layer]);
  bits_ += bits - std::exchange(alone_bits_[layer], bits);
}

/// The ties of the layer of which others are eliminated as well.
void Frontier::tell_together(int layer) {
  for (const auto& [tie, at] : ties_.of(layer)) {
    const Bits done = done_[tie];
    const bool several = (done & (done - 1)) != 0 && done != ties_.whole(tie);
    const double bits = several ? bits_beyond(tie) : 0;
    bits_ += bits - std::exchange(tie_bits_[tie], bits);
    ++effort_;
  }
}

/// Of a tie, what is not told yet: layers whose other ties tell all of them are known.
double Frontier::bits_beyond(int tie) {
  double told = 0;
  Bits known = 0;
  for (Bits rest = done_[tie]; rest != 0; rest &= rest - 1) {
    ++effort_;
    const int place = std::countr_zero(rest);
    const int layer = ties_.layers(tie)[place];
    const Bits with = alone_[layer] | Bits{1} << ties_.rank(tie, place);
    const double more = ties_.joint_bits(layer, with) - alone_bits_[layer];
    told += more;
    if (more < kSame) known |= Bits{1} << place;
  }
  const Bits unknown = done_[tie] & ~known;
  return unknown == 0 ? 0 : std::min(told, ties_.bits(tie, unknown));
}

}  // namespace mpsearch::solver
