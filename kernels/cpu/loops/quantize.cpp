// Quantize: amax of the finite values, a scale from it, and the values times that scale as FP8
// (numerics.md, section 4). An Inf or NaN in x shows as a NaN scale, which poisons what is computed
// from q: that is how an overflow reaches the gradients and skips the step.
#include <cmath>
#include <limits>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

/// Bits of |x| are ordered as |x| is.
struct Magnitudes {
  std::uint32_t finite = 0;   // bits of the largest finite magnitude
  std::uint32_t largest = 0;  // bits of the largest magnitude, Inf and NaN included
};

using Scan = Magnitudes (*)(const std::byte* data, std::int64_t count);

template <class T>
Magnitudes scan(const std::byte* data, std::int64_t count) {
  const T* values = reinterpret_cast<const T*>(data);
  std::uint32_t finite = 0, largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = float_bits(decode(values[i])) & 0x7FFFFFFFu;
    const std::uint32_t if_finite = bits < 0x7F800000u ? bits : 0u;
    finite = finite > if_finite ? finite : if_finite;
    largest = largest > bits ? largest : bits;
  }
  return {finite, largest};
}

constexpr float largest_of(DType fp8) { return fp8 == DType::F8E4M3 ? 448.0F : 57344.0F; }

/// What values are multiplied by: largest / amax, floored to a power of two unless `exact`. Kept so
/// that it and its inverse are normal numbers.
float scale_for(float amax, float largest, bool exact) {
  if (amax == 0) return 1;
  const float ratio = std::fmin(largest / amax, 0x1p126F);
  return exact ? ratio : std::ldexp(1.0F, std::ilogb(ratio));
}

struct Quantize {
  TensorView x, q, scale;
  Scan scan;
  Convert convert;
  bool exact;
  BoundKernel reorder;  // the second pass where the layout changes

  void operator()() const {
    const std::int64_t count = x.type.elements();
    const std::int64_t x_bytes = bits_of(x.type.form.dtype) / 8;
    // q is not written yet: it holds the blocks' partial results, where there are several.
    std::uint32_t only[2] = {0, 0};
    std::uint32_t* partial = count <= kBlock ? only : reinterpret_cast<std::uint32_t*>(q.data);
    for_each_block(count, kBlock, [&](std::int64_t index, std::int64_t begin, std::int64_t end) {
      const Magnitudes found = scan(x.data + begin * x_bytes, end - begin);
      partial[2 * index] = found.finite;
      partial[2 * index + 1] = found.largest;
    });
    Magnitudes all;
    for (std::int64_t index = 0; index * kBlock < count; ++index) {
      all.finite = std::max(all.finite, partial[2 * index]);
      all.largest = std::max(all.largest, partial[2 * index + 1]);
    }
    const float read = x.scale != nullptr ? *x.scale : 1.0F;
    const float amax = read * float_from_bits(all.finite);
    const float factor = scale_for(amax, largest_of(q.type.form.dtype), exact);
    const bool non_finite = all.largest >= 0x7F800000u || !std::isfinite(amax);
    *reinterpret_cast<float*>(scale.data) =
        non_finite ? std::numeric_limits<float>::quiet_NaN() : 1 / factor;
    if (reorder.run != nullptr) {
      reorder.run(reorder.arguments.get());
      return;
    }
    for_each_block(count, kBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      convert(x.data + begin * x_bytes, q.data + begin, end - begin, read * factor);
    });
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 2) return {};
  const TensorType& x = call.inputs[0];
  const TensorType& q = call.outputs[0];
  const std::string recipe = call.attributes.text("recipe", "pow2");
  if (!has_storage(x.form.dtype) || !is_fp8(q.form.dtype) || x.shape != q.shape ||
      (recipe != "pow2" && recipe != "exact")) {
    return {};
  }
  return {{.algorithm = "loop"}};
}

/// A Cast to another layout by the scale that the first pass has written.
BoundKernel reordering(const KernelCall& call, const KernelViews& views) {
  if (call.inputs[0].form.layout == call.outputs[0].form.layout) return {};
  TensorView q = views.outputs[0];
  q.scale = reinterpret_cast<float*>(views.outputs[1].data);
  return cast_kernels()[0].bind({"Cast", {}, call.inputs, {call.outputs[0]}}, {},
                                {{views.inputs[0]}, {q}, nullptr});
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const DType from = call.inputs[0].form.dtype;
  const Scan scan_of_x = with_storage(from, []<class T>(T) -> Scan { return scan<T>; });
  return bound(Quantize{views.inputs[0], views.outputs[0], views.outputs[1], scan_of_x,
                        convert_of(from, call.outputs[0].form.dtype),
                        call.attributes.text("recipe", "pow2") == "exact",
                        reordering(call, views)});
}

constexpr KernelEntry kEntries[] = {{"Quantize", candidates, bind}};

}  // namespace

KernelTable quantize_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
