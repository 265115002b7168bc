// Slices that indices pick: Gather, GatherND, GatherElements, Embedding. Their gradients are in
// scatter.cpp.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/pick.h"
#include "kernels/cpu/loops/places.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

struct Gather {
  TensorView x, y;
  const std::byte* index;
  Places places;
  Convert convert;  // null: the bits are copied

  void operator()() const {
    const Int x_bytes = bits_of(x.type.form.dtype) / 8, y_bytes = bits_of(y.type.form.dtype) / 8;
    const float factor = x.scale != nullptr ? *x.scale : 1.0F;
    const auto* indices = reinterpret_cast<const Int*>(index);
    const Int inner = places.inner;
    for_each_block(places.outer * places.count, std::max<Int>(1, kBlock / std::max<Int>(1, inner)),
                   [&](Int, Int begin, Int end) {
                     for (Int i = begin; i < end; ++i) {
                       const Int part = i / places.count;
                       const Int row = places.row(indices, part, i % places.count);
                       if (row < 0) {
                         write_bad(y, i * inner, inner);
                         continue;
                       }
                       const std::byte* from =
                           x.data + (part * places.rows + row) * inner * x_bytes;
                       std::byte* to = y.data + i * inner * y_bytes;
                       if (convert != nullptr) {
                         convert(from, to, inner, factor);
                       } else {
                         std::memcpy(to, from, static_cast<std::size_t>(inner * y_bytes));
                       }
                     }
                   });
  }
};

std::vector<KernelChoice> gather_candidates(const KernelCall& call) {
  if (!indexed(call, 2) || call.inputs.size() != 2) return {};
  if (!can_move(call.inputs[0].form.dtype, call.outputs[0].form.dtype)) return {};
  const Places places = places_of(call, call.inputs[0].shape, call.inputs[1].shape);
  if (places.outer * places.count * places.inner != call.outputs[0].elements()) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_gather(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const DType from = call.inputs[0].form.dtype, to = call.outputs[0].form.dtype;
  return bound(Gather{views.inputs[0], views.outputs[0], views.inputs[1].data,
                      places_of(call, call.inputs[0].shape, call.inputs[1].shape),
                      from == to ? nullptr : convert_of(from, to)});
}

constexpr KernelEntry kEntries[] = {{"Gather", gather_candidates, bind_gather},
                                    {"Embedding", gather_candidates, bind_gather},
                                    {"GatherElements", gather_candidates, bind_gather},
                                    {"GatherND", gather_candidates, bind_gather}};

}  // namespace

KernelTable gather_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
