// TopK: positions of the greatest elements along an axis.
#include <algorithm>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

/// The k greatest in order, of equal ones the first; `sign` -1: the least. Each pass over the axis
/// finds the one that follows the last found, so nothing needs to be stored beside the result.
struct TopK {
  TensorView x, y;
  Int size, inner, k;
  float sign;
  Convert load;

  void operator()() const {
    const Int across = (inner + kChunk - 1) / kChunk;
    for_each_block(y.type.elements() / (k * inner) * across, 1, [&](Int, Int begin, Int end) {
      for (Int task = begin; task < end; ++task) run(task / across, task % across * kChunk);
    });
  }

 private:
  void run(Int row, Int column) const {
    const Int count = std::min(kChunk, inner - column), bytes = bits_of(x.type.form.dtype) / 8;
    const float factor = x.scale != nullptr ? sign * *x.scale : sign;
    alignas(64) float last[kChunk];
    alignas(64) float most[kChunk];
    alignas(64) float next[kChunk];
    for (Int j = 0; j < k; ++j) {
      Int* const best = reinterpret_cast<Int*>(y.data) + (row * k + j) * inner + column;
      const Int* const before = best - inner;
      std::fill(best, best + count, Int{-1});
      for (Int at = 0; at < size; ++at) {
        load(x.data + ((row * size + at) * inner + column) * bytes,
             reinterpret_cast<std::byte*>(next), count, factor);
        for (Int i = 0; i < count; ++i) {
          const bool follows =
              j == 0 || next[i] < last[i] || (next[i] == last[i] && at > before[i]);
          if (!follows || (best[i] >= 0 && !(next[i] > most[i]))) continue;
          most[i] = next[i];
          best[i] = at;
        }
      }
      for (Int i = 0; i < count; ++i) best[i] = std::max(best[i], Int{0});  // only NaN was left
      std::copy(most, most + count, last);
    }
  }
};

std::size_t axis_of(const KernelCall& call) {
  return static_cast<std::size_t>(call.attributes.integer("axis", 0));
}

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  const std::size_t axis = axis_of(call);
  if (axis >= x.shape.size() || y.shape.size() != x.shape.size() || y.elements() == 0) return {};
  const bool fits = y.shape[axis] <= x.shape[axis] &&
                    y.elements() / y.shape[axis] == x.elements() / x.shape[axis];
  const bool rows = x.form.layout == Layout::RowMajor && y.form.layout == Layout::RowMajor;
  if (!fits || !rows || !has_storage(x.form.dtype) || y.form.dtype != DType::I64) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const TensorType& x = call.inputs[0];
  const std::size_t axis = axis_of(call);
  Int inner = 1;
  for (std::size_t dim = axis + 1; dim < x.shape.size(); ++dim) inner *= x.shape[dim];
  const float sign = call.attributes.integer("largest", 1) != 0 ? 1.0F : -1.0F;
  return bound(TopK{views.inputs[0], views.outputs[0], x.shape[axis], inner,
                    call.outputs[0].shape[axis], sign, convert_of(x.form.dtype, DType::F32)});
}

}  // namespace

KernelTable rank_kernels() {
  static const std::vector<KernelEntry> entries{{"TopK", candidates, bind}};
  return entries;
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
