// Scatters, and the gradients of gathers, which are scatters that add. Whatever is written to is
// walked in its own order, over lists of the indices that reach each slice: so the result depends
// on no number of threads.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/places.h"
#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

struct Sum {
  static float apply(float a, float b) { return a + b; }
};
struct Product {
  static float apply(float a, float b) { return a * b; }
};
struct Least {
  static float apply(float a, float b) { return std::isnan(a) || a < b ? a : b; }
};
struct Greatest {
  static float apply(float a, float b) { return std::isnan(a) || a > b ? a : b; }
};
struct Last {
  static float apply(float, float b) { return b; }
};

/// y[row] = x[row] combined with the updates of its list; no x: zeros.
template <class Combine>
struct Scatter {
  TensorView x, updates, y;  // x without data: zeros; updates without data: zeros
  const std::byte* index;
  Places places;
  std::byte* workspace;
  Convert load_x, load_updates, store;

  void operator()() const {
    const Lists lists(places, workspace);
    lists.fill(places, reinterpret_cast<const Int*>(index));
    for_each_piece(places, kChunk, [&](Int row, Int at, Int count) { run(lists, row, at, count); });
    if (*lists.bad) write_bad(y, 0, std::min<Int>(1, y.type.elements()));
  }

 private:
  static void read(const TensorView& from, Convert load, Int at, Int count, float* to) {
    if (from.data == nullptr) return std::fill_n(to, count, 0.0F), void();
    load(from.data + at * (bits_of(from.type.form.dtype) / 8), reinterpret_cast<std::byte*>(to),
         count, from.scale != nullptr ? *from.scale : 1.0F);
  }

  void run(const Lists& lists, Int row, Int at, Int count) const {
    alignas(64) float total[kChunk];
    alignas(64) float next[kChunk];
    const Int inner = places.inner;
    read(x, load_x, row * inner + at, count, total);
    const Int list = places.shared() ? row % places.rows : row;
    const Int part = places.shared() ? row / places.rows : 0;
    for (std::int32_t k = lists.begin[list]; k < lists.begin[list + 1]; ++k) {
      const Int update = part * places.count + lists.order[k];
      read(updates, load_updates, update * inner + at, count, next);
      for (Int i = 0; i < count; ++i) total[i] = Combine::apply(total[i], next[i]);
    }
    store(reinterpret_cast<const std::byte*>(total),
          y.data + (row * inner + at) * (bits_of(y.type.form.dtype) / 8), count, 1.0F);
  }
};

/// Integers and truth values: the last update counts, or all are added.
struct ScatterIntegers {
  TensorView x, updates, y;
  const std::byte* index;
  Places places;
  std::byte* workspace;
  bool adds;

  void operator()() const {
    const Lists lists(places, workspace);
    lists.fill(places, reinterpret_cast<const Int*>(index));
    const Int bytes = bits_of(y.type.form.dtype) / 8, slice = places.inner * bytes;
    for_each_block(places.outer * places.rows, std::max<Int>(1, kBlock / std::max<Int>(1, slice)),
                   [&](Int, Int begin, Int end) {
                     for (Int row = begin; row < end; ++row) run(lists, row, slice);
                   });
  }

 private:
  void run(const Lists& lists, Int row, Int slice) const {
    std::byte* to = y.data + row * slice;
    std::memcpy(to, x.data + row * slice, static_cast<std::size_t>(slice));
    for (std::int32_t k = lists.begin[row]; k < lists.begin[row + 1]; ++k) {
      const std::byte* from = updates.data + lists.order[k] * slice;
      if (!adds) {
        std::memcpy(to, from, static_cast<std::size_t>(slice));
        continue;
      }
      for (Int i = 0; i < slice / 8; ++i) {
        reinterpret_cast<Int*>(to)[i] += reinterpret_cast<const Int*>(from)[i];
      }
    }
  }
};

template <class Combine>
BoundKernel scatter(const TensorView& x, const TensorView& updates, const Places& places,
                    const KernelViews& views) {
  const TensorView& y = views.outputs[0];
  return bound(Scatter<Combine>{x, updates, y, views.inputs[1].data, places, views.workspace,
                                convert_of(x.type.form.dtype, DType::F32),
                                convert_of(updates.type.form.dtype, DType::F32),
                                convert_of(DType::F32, y.type.form.dtype)});
}

std::vector<KernelChoice> grad_candidates(const KernelCall& call) {
  if (!indexed(call, 2) || call.inputs.size() != 2) return {};
  if (!has_storage(call.inputs[0].form.dtype) || !is_carrier(call.outputs[0].form.dtype)) return {};
  const Places places = places_of(call, call.outputs[0].shape, call.inputs[1].shape);
  if (places.outer * places.count * places.inner != call.inputs[0].elements()) return {};
  if (!Lists::fit(places)) return {};
  return {{.algorithm = "loop", .workspace_bytes = Lists::bytes(places)}};
}

BoundKernel bind_grad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return scatter<Sum>({.type = call.outputs[0]}, views.inputs[0],
                      places_of(call, call.outputs[0].shape, call.inputs[1].shape), views);
}

std::vector<KernelChoice> scatter_candidates(const KernelCall& call) {
  if (!indexed(call, 2) || call.inputs.size() > 3) return {};
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  const std::string reduction = call.attributes.text("reduction", "none");
  const bool given = call.inputs.size() == 3;
  const DType of_updates = given ? call.inputs[2].form.dtype : DType::F32;
  const bool floats =
      has_storage(x.form.dtype) && has_storage(of_updates) && is_carrier(y.form.dtype);
  const bool integers = given && x.form.dtype == y.form.dtype && x.form.dtype == of_updates &&
                        bits_of(x.form.dtype) >= 8 && !is_float(x.form.dtype) &&
                        (reduction == "none" || (reduction == "add" && x.form.dtype == DType::I64));
  if (!(floats || integers) || x.shape != y.shape) return {};
  const Places places = places_of(call, x.shape, call.inputs[1].shape);
  if (given && places.outer * places.count * places.inner != call.inputs[2].elements()) return {};
  if (!Lists::fit(places)) return {};
  return {{.algorithm = "loop", .workspace_bytes = Lists::bytes(places)}};
}

BoundKernel bind_scatter(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const std::string reduction = call.attributes.text("reduction", "none");
  const Places places = places_of(call, call.inputs[0].shape, call.inputs[1].shape);
  const TensorView& x = views.inputs[0];
  const TensorView updates = views.inputs.size() == 3 ? views.inputs[2] : TensorView{};
  if (!is_float(x.type.form.dtype)) {
    return bound(ScatterIntegers{x, updates, views.outputs[0], views.inputs[1].data, places,
                                 views.workspace, reduction == "add"});
  }
  if (reduction == "add") return scatter<Sum>(x, updates, places, views);
  if (reduction == "mul") return scatter<Product>(x, updates, places, views);
  if (reduction == "min") return scatter<Least>(x, updates, places, views);
  if (reduction == "max") return scatter<Greatest>(x, updates, places, views);
  return scatter<Last>(x, updates, places, views);
}

constexpr KernelEntry kEntries[] = {{"GatherGrad", grad_candidates, bind_grad},
                                    {"GatherElementsGrad", grad_candidates, bind_grad},
                                    {"GatherNDGrad", grad_candidates, bind_grad},
                                    {"ScatterElements", scatter_candidates, bind_scatter},
                                    {"ScatterND", scatter_candidates, bind_scatter}};

}  // namespace

KernelTable scatter_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
