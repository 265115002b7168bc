// Dropout and its gradient. The bits come from (seed, attempt, stream, element in memory), read
// when the kernel runs: no thread count, block or dtype changes them.
#include <cmath>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/number/philox.h"
#include "kernels/step_state.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

/// 0 to less than 1, as the shape rule checks.
float ratio_of(const KernelCall& call) {
  return static_cast<float>(call.attributes.number("ratio", 0.5));
}

float factor_of(const KernelCall& call) {
  return static_cast<float>(1 / (1 - call.attributes.number("ratio", 0.5)));
}

/// uniform(word) >= ratio exactly where word >= this: uniform drops the low eight bits.
std::uint32_t least_kept(float ratio) {
  return static_cast<std::uint32_t>(std::ceil(double{ratio} * 0x1p24)) << 8;
}

/// kept[i] = 1 or 0 for the elements of a chunk that begins at element 4 * block.
void draw(RandomStream stream, std::uint32_t block, std::uint32_t least, float* kept) {
  constexpr std::uint32_t kBlocks = kChunk / 4;
  std::uint32_t words[4][kBlocks];
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    const PhiloxWords random = random_block(stream, block + i);
    words[0][i] = random.w0;
    words[1][i] = random.w1;
    words[2][i] = random.w2;
    words[3][i] = random.w3;
  }
  for (std::uint32_t i = 0; i < kBlocks; ++i) {
    for (std::uint32_t k = 0; k < 4; ++k) kept[4 * i + k] = words[k][i] >= least ? 1.0F : 0.0F;
  }
}

struct Dropout {
  TensorView x, step_inputs, y;
  std::uint8_t* mask;  // or null
  Convert load, store;
  std::uint32_t stream, least;
  float factor;

  void operator()() const {
    const auto& inputs = *reinterpret_cast<const StepInputs*>(step_inputs.data);
    const RandomStream random{.seed = inputs.seed, .step = inputs.attempt, .tensor = stream};
    const float read = x.scale != nullptr ? *x.scale : 1.0F;
    for_each_block(x.type.elements(), kBlock,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t at = begin; at < end; at += kChunk) {
                       run(random, read, at, std::min(kChunk, end - at));
                     }
                   });
  }

 private:
  void run(RandomStream random, float read, std::int64_t at, std::int64_t count) const {
    alignas(64) float kept[kChunk];
    alignas(64) float values[kChunk];
    draw(random, static_cast<std::uint32_t>(at / 4), least, kept);
    load(x.data + at * bits_of(x.type.form.dtype) / 8, reinterpret_cast<std::byte*>(values), count,
         read);
    const float times = factor;
    const auto drop = [=](float value, float keep) { return keep != 0.0F ? times * value : 0.0F; };
    if (mask == nullptr) {
      Group().map(count, drop, Out{values}, values, kept);
    } else {
      Group().map(
          count,
          [=](float value, float keep) {
            return Values<2>{{drop(value, keep), keep}};
          },
          Out{values, Bits{mask + at / 8}}, values, kept);
    }
    store(reinterpret_cast<const std::byte*>(values), y.data + at * bits_of(y.type.form.dtype) / 8,
          count, 1.0F);
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const bool fits = call.inputs.size() == 2 && call.outputs.size() <= 2 && maps(call, 1, true) &&
                    call.inputs[1].form.dtype == DType::U8 &&
                    call.inputs[1].elements() == sizeof(StepInputs) &&
                    (call.outputs.size() == 1 || masks(call.outputs[1], call.outputs[0])) &&
                    ratio_of(call) >= 0 && ratio_of(call) < 1;
  if (!fits) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return bound(Dropout{.x = views.inputs[0],
                       .step_inputs = views.inputs[1],
                       .y = views.outputs[0],
                       .mask = views.outputs.size() == 2
                                   ? reinterpret_cast<std::uint8_t*>(views.outputs[1].data)
                                   : nullptr,
                       .load = convert_of(call.inputs[0].form.dtype, DType::F32),
                       .store = convert_of(DType::F32, call.outputs[0].form.dtype),
                       .stream = static_cast<std::uint32_t>(call.attributes.integer("stream", 0)),
                       .least = least_kept(ratio_of(call)),
                       .factor = factor_of(call)});
}

void backward(const float* parameters, const Chunk& chunk) {
  const float factor = parameters[0];
  Group().map(
      chunk.count, [=](float dy, float keep) { return keep != 0.0F ? factor * dy : 0.0F; },
      Out{chunk.out}, chunk.in[0], ConstBits{chunk.bits});
}

std::vector<KernelChoice> grad_candidates(const KernelCall& call) {
  const bool fits = call.inputs.size() == 2 && call.outputs.size() == 1 && maps(call, 1, true) &&
                    masks(call.inputs[1], call.outputs[0]) && ratio_of(call) >= 0 &&
                    ratio_of(call) < 1;
  if (!fits) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_grad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return map_kernel(
      {backward, {factor_of(call)}},
      {.inputs = {views.inputs[0]}, .out = views.outputs[0], .bits = views.inputs[1].data});
}

constexpr KernelEntry kEntries[] = {{"Dropout", candidates, bind},
                                    {"DropoutGrad", grad_candidates, bind_grad}};

}  // namespace

KernelTable dropout_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
