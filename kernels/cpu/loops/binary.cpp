// Functions of two and three tensors under numpy's broadcasting, and broadcasting itself.
#include <array>
#include <string_view>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/pick.h"
#include "kernels/cpu/loops/walk.h"
#include "kernels/math/binary.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

template <class F>
void forward(const float*, const Chunk& chunk) {
  Group().map(
      chunk.count, [](float a, float b) { return F{}.forward(a, b); }, Out{chunk.out}, chunk.in[0],
      chunk.in[1]);
}

/// The gradients to a and to b, of dy's shape.
template <class F>
void grad_a(const float*, const Chunk& chunk) {
  Group().map(
      chunk.count, [](float dy, float a, float b) { return F{}.backward_a(dy, a, b); },
      Out{chunk.out}, chunk.in[0], chunk.in[1], chunk.in[2]);
}

template <class F>
void grad_b(const float*, const Chunk& chunk) {
  Group().map(
      chunk.count, [](float dy, float a, float b) { return F{}.backward_b(dy, a, b); },
      Out{chunk.out}, chunk.in[0], chunk.in[1], chunk.in[2]);
}

/// dx = dy x / y of a norm y, 0 where that is 0, as in PyTorch.
void norm_grad(const float*, const Chunk& chunk) {
  Group().map(
      chunk.count,
      [](float dy, float x, float y) {
        const float slope = dy * (x / y);
        return y == 0.0F ? 0.0F : slope;
      },
      Out{chunk.out}, chunk.in[0], chunk.in[1], chunk.in[2]);
}

/// dx = dy exp(x - y) of y = log(sum(exp(x))).
void log_sum_exp_grad(const float*, const Chunk& chunk) {
  Group().map(
      chunk.count, [](float dy, float x, float y) { return dy * math::exp(x - y); }, Out{chunk.out},
      chunk.in[0], chunk.in[1], chunk.in[2]);
}

/// "PowGradA", "PowGradB".
template <class F, char To>
constexpr auto kGradName = [] {
  constexpr std::string_view kName = F::kName;
  constexpr std::string_view kGrad = "Grad";
  std::array<char, kName.size() + kGrad.size() + 1> text{};
  kName.copy(text.data(), kName.size());
  kGrad.copy(text.data() + kName.size(), kGrad.size());
  text.back() = To;
  return text;
}();

template <class F, char To>
constexpr std::string_view grad_name() {
  return {kGradName<F, To>.data(), kGradName<F, To>.size()};
}

void times(const float* parameters, const Chunk& chunk) {
  const float factor = parameters[0];
  Group().map(
      chunk.count, [=](float x) { return factor * x; }, Out{chunk.out}, chunk.in[0]);
}

/// The output has the shape of all inputs together.
template <std::size_t Inputs, bool Flat>
std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != Inputs || call.outputs.size() != 1 || !maps(call, Inputs, Flat)) {
    return {};
  }
  const Shape& out = call.outputs[0].shape;
  for (std::size_t dim = 0; dim < out.size(); ++dim) {
    bool covered = out[dim] == 1;
    for (const TensorType& in : call.inputs) {
      const std::size_t skip = out.size() - in.shape.size();
      covered = covered || (dim >= skip && in.shape[dim - skip] == out[dim]);
    }
    if (!covered) return {};
  }
  return {{.algorithm = "loop"}};
}

template <auto Run>
BoundKernel bind(const KernelCall&, const KernelChoice&, const KernelViews& views) {
  return map_kernel({Run}, {.inputs = views.inputs, .out = views.outputs[0]});
}

bool repeats_integers(const KernelCall& call) {
  const TensorType& x = call.inputs[0];
  return x.form.dtype == call.outputs[0].form.dtype && !is_float(x.form.dtype) &&
         bits_of(x.form.dtype) >= 8 && broadcasts(x.shape, call.outputs[0].shape);
}

BoundKernel bind_integers(const KernelCall& call, const KernelViews& views) {
  const TensorType& y = call.outputs[0];
  const Shape strides = broadcast_strides(call.inputs[0], y.shape);
  std::vector<Runs> dims;
  for (const std::size_t dim : memory_order(y)) {
    dims.emplace_back();
    append(dims.back(), {y.shape[dim], 0, strides[dim]});
  }
  return pick_kernel(views.inputs[0], views.outputs[0], dims);
}

std::vector<KernelChoice> broadcast_candidates(const KernelCall& call) {
  const bool one = call.inputs.size() == 1 && call.outputs.size() == 1 &&
                   call.attributes.integers("shape") == call.outputs[0].shape;
  if (!one || !(maps(call, 1, false) || repeats_integers(call))) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_broadcast(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  if (!is_float(call.inputs[0].form.dtype)) return bind_integers(call, views);
  return map_kernel({times, {static_cast<float>(call.attributes.number("scale", 1))}},
                    {.inputs = views.inputs, .out = views.outputs[0]});
}

}  // namespace

KernelTable binary_kernels() {
  static const std::vector<KernelEntry> entries = [] {
    std::vector<KernelEntry> all{
        {"Sum2", candidates<2, true>, bind<forward<Add>>},
        {grad_name<Div, 'B'>(), candidates<3, false>, bind<grad_b<Div>>},
        {"ReduceL2Grad", candidates<3, false>, bind<norm_grad>},
        {"ReduceLogSumExpGrad", candidates<3, false>, bind<log_sum_exp_grad>},
        {"BroadcastTo", broadcast_candidates, bind_broadcast}};
    BinaryOps::for_each([&]<class F>() {
      all.push_back({F::kName, candidates<2, false>, bind<forward<F>>});
    });
    TypeList<Min, Max, Pow, PRelu>::for_each([&]<class F>() {
      all.push_back({grad_name<F, 'A'>(), candidates<3, false>, bind<grad_a<F>>});
      all.push_back({grad_name<F, 'B'>(), candidates<3, false>, bind<grad_b<F>>});
    });
    return all;
  }();
  return entries;
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
