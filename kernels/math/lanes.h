// Lanes: the Group of the CPU. Element i of a row belongs to lane i mod W; each lane folds its own
// elements in order, then the lanes fold in a fixed tree. W, not the CPU's vector width, fixes the
// order of summation: the same bits on every instruction set, and free for the compiler to
// vectorise.
#pragma once

#include <cstdint>
#include <utility>

#include "kernels/math/group.h"
#include "kernels/math/lanes_io.h"

namespace mpsearch {

/// W: a multiple of 32. V: elements that one thread of a CUDA block loads at once; with W = threads
/// * V the order is that of such a block: a thread folds its V slots, then the threads fold by
/// halves (across warps, then by shuffle-down). Level: a tag that keeps the code of different
/// instruction-set levels apart.
///
/// A lambda gets one float for each input and returns a value for each output; it may be called on
/// zeros as padding. An input is a pointer to a storage type or ConstBits. An output may be an
/// input too (the same pointer), but must not overlap one otherwise.
template <int W, int V = 1, class Level = void>
struct Lanes {
  static_assert(W % 32 == 0 && W % V == 0 && (W & (W - 1)) == 0 && (V & (V - 1)) == 0);

  /// Op over f(values...) of n elements.
  template <class Op, class F, class... In>
  typename Op::Value reduce(std::int64_t n, F f, In... in) const {
    typename Op::Value acc[W];
    for (int lane = 0; lane < W; ++lane) acc[lane] = Op::identity();
    std::int64_t i = 0;
    for (; i + W <= n; i += W) accumulate<Op>(acc, f, lanes::open<W>(in, i)...);
    if (i < n) {
      const int rest = static_cast<int>(n - i);
      accumulate_part<Op>(acc, rest, f, lanes::open_part<W>(in, i, rest)...);
    }
    return fold<Op>(acc);
  }

  /// Two folds in one pass: f returns Two{for A, for B}.
  template <class A, class B, class F, class... In>
  Two<typename A::Value, typename B::Value> reduce2(std::int64_t n, F f, In... in) const {
    typename A::Value acc_a[W];
    typename B::Value acc_b[W];
    for (int lane = 0; lane < W; ++lane) acc_a[lane] = A::identity();
    for (int lane = 0; lane < W; ++lane) acc_b[lane] = B::identity();
    std::int64_t i = 0;
    for (; i + W <= n; i += W) accumulate2<A, B>(acc_a, acc_b, f, lanes::open<W>(in, i)...);
    if (i < n) {
      const int rest = static_cast<int>(n - i);
      accumulate2_part<A, B>(acc_a, acc_b, rest, f, lanes::open_part<W>(in, i, rest)...);
    }
    return {fold<A>(acc_a), fold<B>(acc_b)};
  }

  /// Writes f(values...), a float or Values<outputs>, for n elements.
  template <class F, class... Output, class... In>
  void map(std::int64_t n, F f, Out<Output...> out, In... in) const {
    std::int64_t i = 0;
    for (; i + W <= n; i += W) {
      map_block(f, lanes::transform(out, [=](auto o) { return lanes::sink<W>(o, i); }),
                lanes::open<W>(in, i)...);
    }
    if (i < n) {
      const int rest = static_cast<int>(n - i);
      map_block(f, lanes::transform(out, [=](auto o) { return lanes::part_sink<W>(o, i, rest); }),
                lanes::open_part<W>(in, i, rest)...);
    }
  }

  /// For each of `cols` columns: state = start; state = step(state, k, values...) for k in
  /// [0, count); writes finish(state). An input is a function of k that returns the pointer to its
  /// k-th row, so rows may lie anywhere; k is the same for all columns.
  template <int N, class Step, class Finish, class... Output, class... Row>
  void fold_columns(std::int64_t count, std::int64_t cols, Values<N> start, Step step,
                    Finish finish, Out<Output...> out, Row... row) const {
    // Columns are independent: narrow blocks at the end of a row give the bits of wide ones.
    std::int64_t i = 0;
    for (; i + W <= cols; i += W) fold_block<W>(i, count, start, step, finish, out, row...);
    for (; i + 16 <= cols; i += 16) fold_block<16>(i, count, start, step, finish, out, row...);
    for (; i + 8 <= cols; i += 8) fold_block<8>(i, count, start, step, finish, out, row...);
    for (; i < cols; ++i) fold_block<1>(i, count, start, step, finish, out, row...);
  }

  /// What any thread of the group wrote before is seen by all after.
  void sync() const {}

  /// Runs f once for the whole group, after everything that it wrote before.
  template <class F>
  void once(F f) const {
    f();
  }

 private:
  template <class Op, class F, class... In>
  static void accumulate(typename Op::Value (&acc)[W], F f, const In&... in) {
    for (int lane = 0; lane < W; ++lane) {
      acc[lane] = Op::combine(acc[lane], f(decode(in[lane])...));
    }
  }

  template <class Op, class F, class... In>
  static void accumulate_part(typename Op::Value (&acc)[W], int count, F f, const In&... in) {
    for (int lane = 0; lane < W; ++lane) {
      const typename Op::Value next = Op::combine(acc[lane], f(decode(in[lane])...));
      acc[lane] = lane < count ? next : acc[lane];
    }
  }

  template <class A, class B, class F, class... In>
  static void accumulate2(typename A::Value (&acc_a)[W], typename B::Value (&acc_b)[W], F f,
                          const In&... in) {
    for (int lane = 0; lane < W; ++lane) {
      const auto values = f(decode(in[lane])...);
      acc_a[lane] = A::combine(acc_a[lane], values.first);
      acc_b[lane] = B::combine(acc_b[lane], values.second);
    }
  }

  template <class A, class B, class F, class... In>
  static void accumulate2_part(typename A::Value (&acc_a)[W], typename B::Value (&acc_b)[W],
                               int count, F f, const In&... in) {
    for (int lane = 0; lane < W; ++lane) {
      const auto values = f(decode(in[lane])...);
      const typename A::Value next_a = A::combine(acc_a[lane], values.first);
      const typename B::Value next_b = B::combine(acc_b[lane], values.second);
      acc_a[lane] = lane < count ? next_a : acc_a[lane];
      acc_b[lane] = lane < count ? next_b : acc_b[lane];
    }
  }

  template <class Op>
  static typename Op::Value fold(typename Op::Value (&acc)[W]) {
    for (int step = V / 2; step > 0; step /= 2) {
      for (int thread = 0; thread < W / V; ++thread) {
        for (int slot = thread * V; slot < thread * V + step; ++slot) {
          acc[slot] = Op::combine(acc[slot], acc[slot + step]);
        }
      }
    }
    for (int step = W / 2; step >= V; step /= 2) {
      for (int lane = 0; lane < step; lane += V) {
        acc[lane] = Op::combine(acc[lane], acc[lane + step]);
      }
    }
    return acc[0];
  }

  // The outputs are not other inputs' elements, which the compiler cannot know.
  template <class F, class Sinks, class... In>
  static void map_block(F f, Sinks sinks, const In&... in) {
#pragma GCC ivdep
    for (int lane = 0; lane < W; ++lane) lanes::put(sinks, lane, f(decode(in[lane])...));
    lanes::close(sinks);
  }

  /// fold_columns for the columns [i, i + B).
  template <int B, int N, class Step, class Finish, class... Output, class... Row>
  static void fold_block(std::int64_t i, std::int64_t count, Values<N> start, Step step,
                         Finish finish, Out<Output...> out, Row... row) {
    float state[N][B];
    for (int s = 0; s < N; ++s) {
      for (int lane = 0; lane < B; ++lane) state[s][lane] = start.v[s];
    }
    const auto all = std::make_index_sequence<N>{};
    for (std::int64_t k = 0; k < count; ++k) step_block(state, k, step, all, row(k) + i...);
    finish_block(state, finish, all,
                 lanes::transform(out, [=](auto o) { return lanes::sink<B>(o, i); }));
  }

  template <int B, int N, class Step, std::size_t... s, class... T>
  static void step_block(float (&state)[N][B], std::int64_t k, Step step,
                         std::index_sequence<s...> /*all*/, const T*... in) {
    float result[N][B];
    // Apart from `state`, and not unrolled away: otherwise GCC leaves two states unvectorised.
#pragma GCC ivdep
#pragma GCC unroll 1
    for (int lane = 0; lane < B; ++lane) {
      const Values<N> next = step(Values<N>{{state[s][lane]...}}, k, decode(in[lane])...);
      ((result[s][lane] = next.v[s]), ...);
    }
    __builtin_memcpy(state, result, sizeof state);
  }

  template <int B, int N, class Finish, std::size_t... s, class Sinks>
  static void finish_block(const float (&state)[N][B], Finish finish,
                           std::index_sequence<s...> /*all*/, Sinks sinks) {
    for (int lane = 0; lane < B; ++lane) {
      lanes::put(sinks, lane, finish(Values<N>{{state[s][lane]...}}));
    }
    lanes::close(sinks);
  }
};

}  // namespace mpsearch
