// Gradients of scatters that multiply their updates, or keep the least or greatest: to the tensor
// and to the updates at once, place by place, over the same lists as forward.
#include <algorithm>
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

constexpr Int kElements = 256;  // that a place is worked on at a time

/// A tensor of floats of which pieces are read or written as F32.
struct Pieces {
  TensorView view;
  Convert convert;
  Int bytes;

  static Pieces read_from(const TensorView& view) {
    const DType dtype = view.type.form.dtype;
    return {view, convert_of(dtype, DType::F32), bits_of(dtype) / 8};
  }
  static Pieces write_to(const TensorView& view) {
    const DType dtype = view.type.form.dtype;
    return {view, convert_of(DType::F32, dtype), bits_of(dtype) / 8};
  }

  void read(Int at, Int count, float* to) const {
    convert(view.data + at * bytes, reinterpret_cast<std::byte*>(to), count,
            view.scale != nullptr ? *view.scale : 1.0F);
  }
  void write(const float* from, Int at, Int count) const {
    convert(reinterpret_cast<const std::byte*>(from), view.data + at * bytes, count, 1.0F);
  }
};

/// The product of all factors but one, also where some are zero.
struct ProductRule {
  float product[kElements];  // of the factors that are not zero
  float zeros[kElements];

  void begin(Int count) {
    std::fill_n(product, count, 1.0F);
    std::fill_n(zeros, count, 0.0F);
  }
  void first(const float* value, Int count) { next(value, count); }
  void next(const float* value, Int count) {
    for (Int i = 0; i < count; ++i) {
      product[i] *= value[i] == 0 ? 1 : value[i];
      zeros[i] += value[i] == 0 ? 1.0F : 0.0F;
    }
  }
  float share(Int i, float value) const {
    if (zeros[i] == 0) return product[i] / value;
    return zeros[i] == 1 && value == 0 ? product[i] : 0;
  }
};

/// One for the value that was kept; equal ones share it evenly, as PyTorch's do.
template <bool Greatest>
struct ExtremeRule {
  float best[kElements];
  float equals[kElements];

  void begin(Int count) { std::fill_n(equals, count, 0.0F); }
  void first(const float* value, Int count) {
    for (Int i = 0; i < count; ++i) best[i] = value[i], equals[i] = 1;
  }
  void next(const float* value, Int count) {
    for (Int i = 0; i < count; ++i) {
      const bool better = Greatest ? value[i] > best[i] : value[i] < best[i];
      equals[i] = better ? 1 : equals[i] + (value[i] == best[i] ? 1.0F : 0.0F);
      best[i] = better ? value[i] : best[i];
    }
  }
  float share(Int i, float value) const { return value == best[i] ? 1 / equals[i] : 0; }
};

template <class Rule>
struct ScatterGrad {
  Pieces dy, x, updates, dx, dupdates;
  const std::byte* index;
  Places places;
  std::byte* workspace;

  void operator()() const {
    const Lists lists(places, workspace);
    lists.fill(places, reinterpret_cast<const Int*>(index));
    for_each_piece(places, kElements,
                   [&](Int row, Int at, Int count) { run(lists, row, at, count); });
    if (!*lists.bad) return;
    write_bad(dx.view, 0, std::min<Int>(1, dx.view.type.elements()));
    write_bad(dupdates.view, 0, dupdates.view.type.elements());
  }

 private:
  void run(const Lists& lists, Int row, Int at, Int count) const {
    alignas(64) float value[kElements];
    alignas(64) float gradient[kElements];
    alignas(64) float share[kElements];
    Rule rule;
    rule.begin(count);
    const auto update = [&](Int k) { return lists.order[k] * places.inner + at; };
    const Int here = row * places.inner + at;
    x.read(here, count, value);
    rule.first(value, count);
    for (Int k = lists.begin[row]; k < lists.begin[row + 1]; ++k) {
      updates.read(update(k), count, value);
      rule.next(value, count);
    }
    dy.read(here, count, gradient);
    const auto give = [&](const Pieces& from, Int from_at, const Pieces& to) {
      from.read(from_at, count, value);
      for (Int i = 0; i < count; ++i) share[i] = gradient[i] * rule.share(i, value[i]);
      to.write(share, from_at, count);
    };
    give(x, here, dx);
    for (Int k = lists.begin[row]; k < lists.begin[row + 1]; ++k)
      give(updates, update(k), dupdates);
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (!indexed(call, 4, 2, 2) || call.inputs.size() != 4) return {};
  for (const std::size_t i : {0, 1, 3}) {
    if (!has_storage(call.inputs[i].form.dtype)) return {};
  }
  if (!is_carrier(call.outputs[0].form.dtype) || !is_carrier(call.outputs[1].form.dtype)) return {};
  const Places places = places_of(call, call.inputs[1].shape, call.inputs[2].shape);
  if (places.outer * places.count * places.inner != call.inputs[3].elements()) return {};
  if (!Lists::fit(places)) return {};
  return {{.algorithm = "loop", .workspace_bytes = Lists::bytes(places)}};
}

template <class Rule>
BoundKernel bind_rule(const KernelCall& call, const KernelViews& views) {
  return bound(ScatterGrad<Rule>{
      Pieces::read_from(views.inputs[0]), Pieces::read_from(views.inputs[1]),
      Pieces::read_from(views.inputs[3]), Pieces::write_to(views.outputs[0]),
      Pieces::write_to(views.outputs[1]), views.inputs[2].data,
      places_of(call, call.inputs[1].shape, call.inputs[2].shape), views.workspace});
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const std::string reduction = call.attributes.text("reduction", "");
  if (reduction == "mul") return bind_rule<ProductRule>(call, views);
  return reduction == "max" ? bind_rule<ExtremeRule<true>>(call, views)
                            : bind_rule<ExtremeRule<false>>(call, views);
}

constexpr KernelEntry kEntries[] = {{"ScatterElementsGrad", candidates, bind},
                                    {"ScatterNDGrad", candidates, bind}};

}  // namespace

KernelTable scatter_grad_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
