// Prints a hash of what each kernel writes. Compiled once per instruction-set level;
// levels_test.cpp compares the lines. Exits with 77 where the CPU lacks the level.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "kernels/math/batch_norm.h"
#include "kernels/math/binary.h"
#include "kernels/math/lanes.h"
#include "kernels/math/loss.h"
#include "kernels/math/norm.h"
#include "kernels/math/optimizer.h"
#include "kernels/math/range.h"
#include "kernels/math/softmax.h"
#include "kernels/math/unary.h"
#include "kernels/number/philox.h"

namespace mpsearch {
namespace {

using Group = Lanes<32>;
constexpr std::int64_t kElements = 3001;

std::vector<float> inputs(std::uint32_t tensor, float scale) {
  std::vector<float> values(kElements);
  const RandomStream stream{.seed = 1, .step = 0, .tensor = tensor};
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = scale * (uniform(random_word(stream, i)) - 0.5F);
  }
  return values;
}

template <class T>
std::vector<T> stored(const std::vector<float>& values) {
  std::vector<T> result;
  for (const float value : values) result.push_back(encode<T>(value));
  return result;
}

void print(const char* kernel, const char* type, const void* data, std::size_t bytes) {
  std::uint64_t hash = 1469598103934665603u;  // FNV-1a
  for (std::size_t i = 0; i < bytes; ++i) {
    hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 1099511628211u;
  }
  std::printf("%s %s %016llx\n", kernel, type, static_cast<unsigned long long>(hash));
}
template <class T>
void print(const char* kernel, const char* type, const std::vector<T>& values) {
  print(kernel, type, values.data(), values.size() * sizeof(T));
}

void elementwise() {
  const std::vector<float> x = inputs(1, 20.0F);
  const std::vector<float> z = inputs(2, 6.0F);
  std::vector<float> y(x.size());
  UnaryOps::for_each([&]<class F>() {
    const F f;
    Group{}.map(
        kElements, [=](float v) { return f.forward(v); }, Out{y.data()}, x.data());
    print(F::kName, "forward", y);
    Group{}.map(
        kElements, [=](float v, float w) { return f.backward(w, v); }, Out{y.data()}, x.data(),
        z.data());
    print(F::kName, "backward", y);
  });
  BinaryOps::for_each([&]<class F>() {
    const F f;
    Group{}.map(
        kElements, [=](float v, float w) { return f.forward(v, w); }, Out{y.data()}, x.data(),
        z.data());
    print(F::kName, "forward", y);
  });
}

template <class T>
void rows(const char* type) {
  const std::vector<T> x = stored<T>(inputs(3, 8.0F));
  const std::vector<T> dy = stored<T>(inputs(4, 2.0F));
  const std::vector<float> gamma = inputs(5, 2.0F);
  std::vector<T> y(x.size());
  softmax(Group{}, kElements, x.data(), y.data());
  print("softmax", type, y);
  softmax_backward(Group{}, kElements, dy.data(), x.data(), y.data());
  print("softmax_backward", type, y);
  const float loss = cross_entropy_backward(Group{}, kElements, x.data(), 5, 8.0F, y.data());
  print("cross_entropy", type, &loss, sizeof loss);
  print("cross_entropy_backward", type, y);
  const NormStats stats = norm_stats(Group{}, kElements, x.data(), 1e-5F);
  print("norm_stats", type, &stats, sizeof stats);
  normalise_backward<true>(Group{}, kElements, x.data(), dy.data(), stats, gamma.data(), y.data());
  print("norm_backward", type, y);
  std::vector<float> mean(100);
  std::vector<float> square(100);
  column_moments(Group{}, 30, 100, x.data(), mean.data(), square.data());
  print("column_moments", type, square);
  const double squares = sum_of_squares(Group{}, kElements, x.data());
  print("sum_of_squares", type, &squares, sizeof squares);
  const double total = element_loss<BinaryCrossEntropy>(Group{}, kElements, x.data(), gamma.data());
  print("bce", type, &total, sizeof total);
}

void update() {
  std::vector<float> w = inputs(6, 2.0F);
  const std::vector<float> g = inputs(7, 2.0F);
  std::vector<float> m = inputs(8, 0.1F);
  std::vector<float> v(w.size(), 0.01F);
  std::vector<BF16> copy(w.size());
  const Adam adam{0.9F, 0.1F, 0.999F, 0.001F, 0.01F, 3.0F, 1e-8F, 0.01F, 0.999F};
  Group{}.map(
      kElements,
      [=](float value, float dv, float mean, float square) {
        const Values<3> next = adam.step(value, dv, mean, square);
        return Values<4>{{next.v[0], next.v[1], next.v[2], next.v[0]}};
      },
      Out{w.data(), m.data(), v.data(), copy.data()}, w.data(), g.data(), m.data(), v.data());
  print("adam", "w", w);
  print("adam", "v", v);
  print("adam", "copy", copy);
}

}  // namespace
}  // namespace mpsearch

int main() {
  if (!__builtin_cpu_supports(MPSEARCH_TEST_LEVEL)) return 77;
  mpsearch::elementwise();
  mpsearch::rows<float>("F32");
  mpsearch::rows<mpsearch::BF16>("BF16");
  mpsearch::rows<mpsearch::F16>("F16");
  mpsearch::rows<mpsearch::F8E5M2>("F8E5M2");
  mpsearch::update();
  return 0;
}
