// Functions of one element and their gradients: every functor of kernels/math/unary.h, and
// Scale.
#include <bit>
#include <string_view>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/math/unary.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

struct Scale {
  static constexpr const char* kName = "Scale";
  static constexpr Saves kSaves = Saves::Nothing;
  static constexpr int kParameters = 1;
  float factor = 1;
  float forward(float x) const { return factor * x; }
};

/// Attributes in the order of the functor's members.
template <class F>
constexpr std::array<std::string_view, 2> kAttributes{"alpha", "beta"};
template <>
constexpr std::array<std::string_view, 2> kAttributes<Clip>{"min", "max"};
template <>
constexpr std::array<std::string_view, 2> kAttributes<Selu>{"alpha", "gamma"};
template <>
constexpr std::array<std::string_view, 2> kAttributes<Shrink>{"bias", "lambd"};
template <>
constexpr std::array<std::string_view, 2> kAttributes<Scale>{"factor", ""};

template <class F>
std::array<float, 2> parameters_of(const Attributes& attributes) {
  std::array<float, 2> parameters{};
  if constexpr (F::kParameters > 0) {
    const auto defaults = std::bit_cast<std::array<float, F::kParameters>>(F{});
    for (std::size_t i = 0; i < defaults.size(); ++i) {
      parameters[i] = static_cast<float>(attributes.number(
          kAttributes<F>[i], double { defaults[i] }));
    }
  }
  return parameters;
}

template <class F>
void forward(const float* parameters, const Chunk& chunk) {
  const F f = make<F>(parameters);
  if constexpr (F::kSaves == Saves::Mask) {
    if (chunk.mask != nullptr) {
      Group().map(
          chunk.count,
          [=](float x) {
            return Values<2>{{f.forward(x), f.mask(x)}};
          },
          Out{chunk.out, Bits{chunk.mask}}, chunk.in[0]);
      return;
    }
  }
  Group().map(
      chunk.count, [=](float x) { return f.forward(x); }, Out{chunk.out}, chunk.in[0]);
}

template <class F>
void backward(const float* parameters, const Chunk& chunk) {
  const F f = make<F>(parameters);
  const auto slope = [=](float dy, float saved) { return f.backward(dy, saved); };
  if constexpr (F::kSaves == Saves::Mask) {
    Group().map(chunk.count, slope, Out{chunk.out}, chunk.in[0], ConstBits{chunk.bits});
  } else {
    Group().map(chunk.count, slope, Out{chunk.out}, chunk.in[0], chunk.in[1]);
  }
}

template <class F>
std::vector<KernelChoice> forward_candidates(const KernelCall& call) {
  constexpr std::size_t kMost = F::kSaves == Saves::Mask ? 2 : 1;
  if (call.inputs.size() != 1 || call.outputs.size() > kMost || !maps(call, 1, true)) return {};
  if (call.outputs.size() == 2 && !masks(call.outputs[1], call.outputs[0])) return {};
  return {{.algorithm = "loop"}};
}

template <class F>
BoundKernel bind_forward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return map_kernel({forward<F>, parameters_of<F>(call.attributes)},
                    {.inputs = views.inputs,
                     .out = views.outputs[0],
                     .mask = views.outputs.size() == 2 ? views.outputs[1].data : nullptr});
}

template <class F>
std::vector<KernelChoice> backward_candidates(const KernelCall& call) {
  constexpr bool kMask = F::kSaves == Saves::Mask;
  if (call.inputs.size() != 2 || call.outputs.size() != 1) return {};
  if (!maps(call, kMask ? 1 : 2, true)) return {};
  if (kMask && !masks(call.inputs[1], call.outputs[0])) return {};
  return {{.algorithm = "loop"}};
}

template <class F>
BoundKernel bind_backward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  MapViews map{.inputs = views.inputs, .out = views.outputs[0]};
  if (F::kSaves == Saves::Mask) {
    map.inputs.pop_back();
    map.bits = views.inputs[1].data;
  }
  return map_kernel({backward<F>, parameters_of<F>(call.attributes)}, map);
}

/// "ReluGrad".
template <class F>
constexpr auto kGradName = [] {
  constexpr std::string_view kName = F::kName;
  constexpr std::string_view kGrad = "Grad";
  std::array<char, kName.size() + kGrad.size()> text{};
  kName.copy(text.data(), kName.size());
  kGrad.copy(text.data() + kName.size(), kGrad.size());
  return text;
}();

}  // namespace

KernelTable unary_kernels() {
  static const std::vector<KernelEntry> entries = [] {
    std::vector<KernelEntry> all{{Scale::kName, forward_candidates<Scale>, bind_forward<Scale>}};
    UnaryOps::for_each([&]<class F>() {
      all.push_back({F::kName, forward_candidates<F>, bind_forward<F>});
      if constexpr (F::kSaves != Saves::Nothing) {
        all.push_back({std::string_view(kGradName<F>.data(), kGradName<F>.size()),
                       backward_candidates<F>, bind_backward<F>});
      }
    });
    return all;
  }();
  return entries;
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
