// Compiled, never run: proves that nvcc accepts every functor and row algorithm for a device. The
// group here is one thread that folds serially; the real one belongs to kernels/cuda.
#include <vector>

#include "kernels/math/batch_norm.h"
#include "kernels/math/binary.h"
#include "kernels/math/loss.h"
#include "kernels/math/norm.h"
#include "kernels/math/optimizer.h"
#include "kernels/math/pool.h"
#include "kernels/math/range.h"
#include "kernels/math/scaling.h"
#include "kernels/math/softmax.h"
#include "kernels/math/unary.h"
#include "kernels/number/philox.h"

namespace mpsearch {
namespace {

template <class T>
__device__ void store(Out<T*>& out, std::int64_t i, float value) {
  out.head[i] = encode<T>(value);
}
template <int k = 0, int n, class Head, class... Tail>
__device__ void store(Out<Head*, Tail...>& out, std::int64_t i, const Values<n>& values) {
  out.head[i] = encode<Head>(values.v[k]);
  if constexpr (sizeof...(Tail) > 0) store<k + 1>(out.tail, i, values);
}

struct OneThread {
  template <class Op, class F, class... In>
  __device__ typename Op::Value reduce(std::int64_t n, F f, const In*... in) const {
    typename Op::Value acc = Op::identity();
    for (std::int64_t i = 0; i < n; ++i) acc = Op::combine(acc, f(decode(in[i])...));
    return acc;
  }
  template <class A, class B, class F, class... In>
  __device__ Two<typename A::Value, typename B::Value> reduce2(std::int64_t n, F f,
                                                               const In*... in) const {
    Two<typename A::Value, typename B::Value> acc{A::identity(), B::identity()};
    for (std::int64_t i = 0; i < n; ++i) {
      const auto values = f(decode(in[i])...);
      acc = {A::combine(acc.first, values.first), B::combine(acc.second, values.second)};
    }
    return acc;
  }
  template <class F, class... Output, class... In>
  __device__ void map(std::int64_t n, F f, Out<Output...> out, const In*... in) const {
    for (std::int64_t i = 0; i < n; ++i) store(out, i, f(decode(in[i])...));
  }
  template <int N, class Step, class Finish, class... Output, class... Row>
  __device__ void fold_columns(std::int64_t count, std::int64_t cols, Values<N> start, Step step,
                               Finish finish, Out<Output...> out, Row... row) const {
    for (std::int64_t c = 0; c < cols; ++c) {
      Values<N> state = start;
      for (std::int64_t k = 0; k < count; ++k) state = step(state, k, decode(row(k)[c])...);
      store(out, c, finish(state));
    }
  }
  __device__ void sync() const {}
  template <class F>
  __device__ void once(F f) const {
    f();
  }
};

template <class F, class T>
__global__ void unary(std::int64_t n, const float* parameters, const T* x, const T* dy, T* y,
                      T* dx) {
  const F f = make<F>(parameters);
  const OneThread group;
  group.map(
      n, [=](float v) { return f.forward(v); }, Out{y}, x);
  group.map(
      n, [=](float dv, float saved) { return f.backward(dv, saved); }, Out{dx}, dy, x);
}

template <class F, class T>
__global__ void binary(std::int64_t n, const T* a, const T* b, const T* dy, T* y, T* da, T* db) {
  const F f;
  const OneThread group;
  group.map(
      n, [=](float u, float v) { return f.forward(u, v); }, Out{y}, a, b);
  group.map(
      n,
      [=](float dv, float u, float v) {
        return Values<2>{{f.backward_a(dv, u, v), f.backward_b(dv, u, v)}};
      },
      Out{da, db}, dy, a, b);
}

template <class T>
__global__ void rows(std::int64_t n, const T* x, const T* dy, const float* a, const float* b, T* y,
                     float* u, float* v, double* total, std::uint8_t* index) {
  const OneThread group;
  softmax(group, n, x, y);
  softmax_backward(group, n, dy, x, y);
  log_softmax(group, n, x, y);
  log_softmax_backward(group, n, dy, x, y);
  u[0] = cross_entropy(group, n, x, 0) + cross_entropy_backward(group, n, x, 0, 1.0F, y);
  total[0] = element_loss<SquaredError>(group, n, x, a);
  total[1] = element_loss<BinaryCrossEntropy>(group, n, x, a);
  element_loss_backward<SquaredError>(group, n, x, a, 1.0F, y);
  element_loss_backward<BinaryCrossEntropy>(group, n, x, a, 1.0F, y);
  const NormStats stats = norm_stats(group, n, x, 1e-5F);
  normalise(group, n, x, stats, a, b, y);
  normalise_backward<true>(group, n, x, dy, stats, a, y);
  const NormStats square = rms_stats(group, n, x, 1e-5F);
  normalise_backward<false>(group, n, x, dy, square, a, y);
  norm_parameter_gradients(group, n, n, x, dy, a, b, u, v);
  column_moments(group, n, n, x, u, v);
  const Moments all = merge(moments(group, n, x), moments(group, n, dy));
  const NormStats batch = batch_norm_stats(all, 1e-5F);
  const RunningStats running = updated({u[0], v[0]}, all, 0.1F, true);
  normalise_channel(group, n, x, batch, running.mean, running.variance, y);
  batch_norm_row(group, n, x, a, b, a, y);
  const auto sums = batch_norm_sums(group, n, x, dy, batch);
  batch_norm_column_sums(group, n, n, x, dy, a, b, u, v);
  batch_norm_backward_channel(group, n, x, dy,
                              {batch.mean, batch.invstd, 1, sums.first, sums.second}, y);
  batch_norm_backward_row(group, n, x, dy, a, b, a, b, a, y);
  const auto at = [=](std::int64_t k) { return x + k * n; };
  const std::uint8_t* code = index;
  max_pool(group, n, code, n, at, y, index);
  max_pool_backward(
      group, n, code, n, at, [=](std::int64_t k) { return code + k; }, y);
  average_pool(group, n, 0.5F, n, at, y);
  average_pool_backward(group, n, a, n, at, y);
  const Range range = merge(range_of(group, n, x), range_of(group, n, dy));
  total[2] = sum_of_squares(group, n, x) + (range.nonfinite ? 1.0 : 0.0);
  u[1] = fp8_scale<F8E4M3>(range.amax, Fp8Scale::PowerOfTwo);
}

__global__ void update(std::int64_t n, AdamSettings settings, Sgd sgd, float* w, const float* g,
                       float* m, float* v, BF16* copy, LossScaler* scaler,
                       LossScalerSettings scaling) {
  const OneThread group;
  const Adam adam = Adam::at_step(settings, 3.0);
  const float* old = w;
  group.map(
      n, [=](float value, float dv) { return sgd.step(value, dv); }, Out{w}, old, g);
  group.map(
      n, [=](float value, float dv, float b) { return sgd.step(value, dv, b); }, Out{w, m}, old, g,
      static_cast<const float*>(m));
  group.map(
      n,
      [=](float value, float dv, float mean, float square) {
        const Values<3> next = adam.step(value, dv, mean, square);
        return Values<4>{{next.v[0], next.v[1], next.v[2], next.v[0]}};
      },
      Out{w, m, v, copy}, old, g, static_cast<const float*>(m), static_cast<const float*>(v));
  *scaler = next(*scaler, scaling, w[0] > clip_coefficient(w[1], 1.0F));
  w[2] = unscale_factor(scaler->scale);
  const RandomStream stream{1, 2, 3};
  copy[0] = to_bf16_stochastic(w[0], random_word(stream, 0));
}

template <class T>
void collect(std::vector<const void*>& kernels) {
  UnaryOps::for_each([&]<class F>() { kernels.push_back(reinterpret_cast<void*>(&unary<F, T>)); });
  BinaryOps::for_each(
      [&]<class F>() { kernels.push_back(reinterpret_cast<void*>(&binary<F, T>)); });
  kernels.push_back(reinterpret_cast<void*>(&rows<T>));
}

}  // namespace

/// Names every kernel, so that all are compiled.
std::vector<const void*> device_check_kernels() {
  std::vector<const void*> kernels{reinterpret_cast<void*>(&update)};
  collect<float>(kernels);
  collect<BF16>(kernels);
  collect<F16>(kernels);
  collect<F8E4M3>(kernels);
  collect<F8E5M2>(kernels);
  return kernels;
}

}  // namespace mpsearch
