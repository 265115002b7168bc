// Elements that move: Concat, Slice and Pad with what carries their gradients back.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/pick.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/cpu/loops/walk.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

bool moves_one(const KernelCall& call) {
  return call.inputs.size() == 1 && call.outputs.size() == 1 &&
         call.inputs[0].shape.size() == call.outputs[0].shape.size() &&
         can_move(call.inputs[0].form.dtype, call.outputs[0].form.dtype);
}

/// y's dimensions outermost in memory first: runs_of(dimension, stride in x).
template <class RunsOf>
std::vector<Runs> dims_of(const KernelCall& call, const RunsOf& runs_of) {
  const Shape strides = strides_of(call.inputs[0]);
  std::vector<Runs> dims;
  for (const std::size_t dim : memory_order(call.outputs[0])) {
    dims.push_back(runs_of(dim, strides[dim]));
  }
  return dims;
}

// ---- Slice: y[i] = x[start + i step]; SliceGrad writes dy back into zeros.

/// Whether the slice from `large` to `small` stays inside.
bool slices(const KernelCall& call, const Shape& large, const Shape& small) {
  const Shape starts = call.attributes.integers("starts"),
              steps = call.attributes.integers("steps");
  if (starts.size() != large.size() || steps.size() != large.size()) return false;
  for (std::size_t dim = 0; dim < large.size(); ++dim) {
    if (small[dim] == 0) continue;
    const Int last = starts[dim] + (small[dim] - 1) * steps[dim];
    if (std::min(starts[dim], last) < 0 || std::max(starts[dim], last) >= large[dim]) return false;
  }
  return true;
}

std::vector<KernelChoice> slice_candidates(const KernelCall& call) {
  const bool fits = moves_one(call) && slices(call, call.inputs[0].shape, call.outputs[0].shape);
  return fits ? std::vector<KernelChoice>{{.algorithm = "loop"}} : std::vector<KernelChoice>{};
}

BoundKernel bind_slice(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape starts = call.attributes.integers("starts"),
              steps = call.attributes.integers("steps");
  const Shape& size = call.outputs[0].shape;
  return pick_kernel(views.inputs[0], views.outputs[0],
                     dims_of(call, [&](std::size_t dim, Int stride) {
                       Runs runs;
                       append(runs, {size[dim], starts[dim] * stride, steps[dim] * stride});
                       return runs;
                     }));
}

std::vector<KernelChoice> slice_grad_candidates(const KernelCall& call) {
  const bool fits = moves_one(call) && slices(call, call.outputs[0].shape, call.inputs[0].shape);
  return fits ? std::vector<KernelChoice>{{.algorithm = "loop"}} : std::vector<KernelChoice>{};
}

/// What dx takes of dy along a dimension: every `step`-th element from `start`, zeros between.
Runs spread(Int size, Int count, Int start, Int step, Int stride) {
  if (step < 0) {
    start += (count - 1) * step;
    Runs runs;
    append(runs, {start, -1, 0});
    for (Int i = 0; i < count; ++i) {
      append(runs, {1, (count - 1 - i) * stride, 0});
      append(runs, {i + 1 < count ? -step - 1 : 0, -1, 0});
    }
    append(runs, {size - count_of(runs), -1, 0});
    return runs;
  }
  Runs runs;
  append(runs, {start, -1, 0});
  if (step == 1) append(runs, {count, 0, stride});
  for (Int i = 0; i < count && step > 1; ++i) {
    append(runs, {1, i * stride, 0});
    append(runs, {i + 1 < count ? step - 1 : 0, -1, 0});
  }
  append(runs, {size - count_of(runs), -1, 0});
  return runs;
}

BoundKernel bind_slice_grad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape starts = call.attributes.integers("starts"),
              steps = call.attributes.integers("steps");
  const Shape &size = call.outputs[0].shape, &count = call.inputs[0].shape;
  return pick_kernel(views.inputs[0], views.outputs[0],
                     dims_of(call, [&](std::size_t dim, Int stride) {
                       return spread(size[dim], count[dim], starts[dim], steps[dim], stride);
                     }));
}

// ---- Pad: what lies at a position before, inside or after x.

/// Position in x of position `at`, counted from the first element of x; -1: the constant.
Int source_of(const std::string& mode, Int at, Int size) {
  if (at >= 0 && at < size) return at;
  if (mode == "edge") return at < 0 ? 0 : size - 1;
  if (mode == "wrap") return ((at % size) + size) % size;
  if (mode != "reflect") return -1;
  if (size == 1) return 0;
  const Int period = 2 * (size - 1);
  const Int folded = ((at % period) + period) % period;
  return std::min(folded, period - folded);
}

/// Whether `pads` on `small` give `large`.
bool pads_to(const KernelCall& call, const Shape& small, const Shape& large) {
  const Shape pads = call.attributes.integers("pads");
  const std::string mode = call.attributes.text("mode", "constant");
  if (pads.size() != 2 * small.size()) return false;
  for (std::size_t dim = 0; dim < small.size(); ++dim) {
    const Int before = pads[dim], after = pads[dim + small.size()];
    if (before < 0 || after < 0 || small[dim] + before + after != large[dim]) return false;
    if (mode != "constant" && small[dim] == 0) return false;
  }
  return true;
}

std::vector<KernelChoice> pad_candidates(const KernelCall& call) {
  const bool fits = moves_one(call) && pads_to(call, call.inputs[0].shape, call.outputs[0].shape);
  return fits ? std::vector<KernelChoice>{{.algorithm = "loop"}} : std::vector<KernelChoice>{};
}

BoundKernel bind_pad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape pads = call.attributes.integers("pads");
  const std::string mode = call.attributes.text("mode", "constant");
  const Shape &x = call.inputs[0].shape, &y = call.outputs[0].shape;
  return pick_kernel(views.inputs[0], views.outputs[0],
                     dims_of(call,
                             [&](std::size_t dim, Int stride) {
                               Runs runs;
                               for (Int i = 0; i < pads[dim]; ++i) {
                                 const Int from = source_of(mode, i - pads[dim], x[dim]);
                                 append(runs, {1, from < 0 ? -1 : from * stride, 0});
                               }
                               append(runs, {x[dim], 0, stride});
                               for (Int i = count_of(runs); i < y[dim]; ++i) {
                                 const Int from = source_of(mode, i - pads[dim], x[dim]);
                                 append(runs, {1, from < 0 ? -1 : from * stride, 0});
                               }
                               return runs;
                             }),
                     call.attributes.number("value", 0));
}

/// dx[j] = the sum of all dy[i] that took x[j], dimension by dimension.
struct PadGrad {
  /// For each element along a dimension of dx, the offsets in dy that it was copied to.
  struct Places {
    std::vector<Int> begin;  // one more than elements
    std::vector<Int> offsets;
    Int size() const { return static_cast<Int>(begin.size()) - 1; }
  };
  TensorView dy, dx;
  std::vector<Places> outer;
  Places columns;
  Int rows;
  Convert load, store;

  void operator()() const {
    const Int across = (columns.size() + kChunk - 1) / kChunk;
    const Int width = std::min(kChunk, std::max<Int>(1, columns.size()));
    for_each_block(rows * across, std::max<Int>(1, kBlock / width), [&](Int, Int begin, Int end) {
      for (Int i = begin; i < end; ++i) run(i / across, i % across * kChunk);
    });
  }

 private:
  void run(Int row, Int first) const {
    const Int count = std::min(kChunk, columns.size() - first);
    alignas(64) float sums[kChunk] = {};
    add(outer.size(), row, 0, first, count, sums);
    const Int at = row * columns.size() + first;
    store(reinterpret_cast<const std::byte*>(sums),
          dx.data + at * (bits_of(dx.type.form.dtype) / 8), count, 1.0F);
  }

  /// Adds all rows of dy that row `row` of dx went to; `left` dimensions are still open.
  void add(std::size_t left, Int row, Int base, Int first, Int count, float* sums) const {
    if (left == 0) return add_row(base, first, count, sums);
    const Places& dim = outer[left - 1];
    const auto at = static_cast<std::size_t>(row % dim.size());
    for (Int k = dim.begin[at]; k < dim.begin[at + 1]; ++k) {
      add(left - 1, row / dim.size(), base + dim.offsets[static_cast<std::size_t>(k)], first, count,
          sums);
    }
  }

  void add_row(Int base, Int first, Int count, float* sums) const {
    const Int bytes = bits_of(dy.type.form.dtype) / 8;
    const float factor = dy.scale != nullptr ? *dy.scale : 1.0F;
    for (Int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(first + i);
      for (Int k = columns.begin[at]; k < columns.begin[at + 1]; ++k) {
        float value;
        load(dy.data + (base + columns.offsets[static_cast<std::size_t>(k)]) * bytes,
             reinterpret_cast<std::byte*>(&value), 1, factor);
        sums[i] += value;
      }
    }
  }
};

std::vector<KernelChoice> pad_grad_candidates(const KernelCall& call) {
  const bool fits = moves_one(call) && has_storage(call.inputs[0].form.dtype) &&
                    is_carrier(call.outputs[0].form.dtype) &&
                    pads_to(call, call.outputs[0].shape, call.inputs[0].shape);
  return fits ? std::vector<KernelChoice>{{.algorithm = "loop"}} : std::vector<KernelChoice>{};
}

BoundKernel bind_pad_grad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const TensorType &dy = call.inputs[0], &dx = call.outputs[0];
  const Shape pads = call.attributes.integers("pads"), strides = strides_of(dy);
  const std::string mode = call.attributes.text("mode", "constant");
  PadGrad kernel{views.inputs[0],
                 views.outputs[0],
                 {},
                 {{0, 1}, {0}},
                 1,
                 convert_of(dy.form.dtype, DType::F32),
                 convert_of(DType::F32, dx.form.dtype)};
  std::vector<PadGrad::Places> dims;
  for (const std::size_t dim : memory_order(dx)) {
    std::vector<std::vector<Int>> lists(static_cast<std::size_t>(dx.shape[dim]));
    for (Int i = 0; i < dy.shape[dim]; ++i) {
      const Int to = source_of(mode, i - pads[dim], dx.shape[dim]);
      if (to >= 0) lists[static_cast<std::size_t>(to)].push_back(i * strides[dim]);
    }
    PadGrad::Places places{{0}, {}};
    for (const std::vector<Int>& list : lists) {
      places.offsets.insert(places.offsets.end(), list.begin(), list.end());
      places.begin.push_back(static_cast<Int>(places.offsets.size()));
    }
    dims.push_back(std::move(places));
  }
  if (!dims.empty()) {
    kernel.columns = std::move(dims.back());
    dims.pop_back();
  }
  for (const PadGrad::Places& places : dims) kernel.rows *= places.size();
  kernel.outer = std::move(dims);
  return bound(std::move(kernel));
}

// ---- Concat

struct Concat {
  struct Part {
    TensorView x;
    Int begin, width;  // of its elements in a row of y
    Int bytes;
    Convert convert;  // null: the bits are copied
  };
  std::vector<Part> parts;
  TensorView y;
  Int width;  // of a row: everything from the joined dimension on, in memory

  void operator()() const {
    const Int bytes = bits_of(y.type.form.dtype) / 8;
    for_each_block(y.type.elements(), kBlock, [&](Int, Int begin, Int end) {
      while (begin < end) {
        const Int row = begin / width, at = begin % width;
        const Part& part = part_at(at);
        const Int from = row * part.width + at - part.begin;
        const Int count = std::min(end - begin, part.begin + part.width - at);
        move(part, from, y.data + begin * bytes, count);
        begin += count;
      }
    });
  }

 private:
  const Part& part_at(Int at) const {
    const auto after =
        std::upper_bound(parts.begin(), parts.end(), at,
                         [](Int place, const Part& part) { return place < part.begin; });
    return *(after - 1);
  }

  static void move(const Part& part, Int from, std::byte* to, Int count) {
    const std::byte* source = part.x.data + from * part.bytes;
    if (part.convert != nullptr) {
      part.convert(source, to, count, part.x.scale != nullptr ? *part.x.scale : 1.0F);
    } else {
      std::memcpy(to, source, static_cast<std::size_t>(count * part.bytes));
    }
  }
};

std::vector<KernelChoice> concat_candidates(const KernelCall& call) {
  if (call.inputs.empty() || call.outputs.size() != 1) return {};
  const TensorType& y = call.outputs[0];
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", -1));
  if (axis >= y.shape.size()) return {};
  Int sum = 0;
  for (const TensorType& x : call.inputs) {
    if (x.shape.size() != y.shape.size() || x.form.layout != y.form.layout ||
        !can_move(x.form.dtype, y.form.dtype)) {
      return {};
    }
    for (std::size_t dim = 0; dim < y.shape.size(); ++dim) {
      if (dim != axis && x.shape[dim] != y.shape[dim]) return {};
    }
    sum += x.shape[axis];
  }
  if (sum != y.shape[axis]) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_concat(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const TensorType& y = call.outputs[0];
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
  const std::vector<std::size_t> order = memory_order(y);
  Int inner = 1;
  for (std::size_t at = order.size(); order[--at] != axis;) inner *= y.shape[order[at]];
  Concat concat{{}, views.outputs[0], y.shape[axis] * inner};
  Int begin = 0;
  for (std::size_t k = 0; k < call.inputs.size(); ++k) {
    const TensorType& x = call.inputs[k];
    const Int width = x.shape[axis] * inner;
    if (width == 0) continue;
    const DType from = x.form.dtype, to = y.form.dtype;
    concat.parts.push_back({views.inputs[k], begin, width, bits_of(from) / 8,
                            from == to ? nullptr : convert_of(from, to)});
    begin += width;
  }
  return bound(std::move(concat));
}

constexpr KernelEntry kEntries[] = {{"Concat", concat_candidates, bind_concat},
                                    {"Slice", slice_candidates, bind_slice},
                                    {"SliceGrad", slice_grad_candidates, bind_slice_grad},
                                    {"Pad", pad_candidates, bind_pad},
                                    {"PadGrad", pad_grad_candidates, bind_pad_grad}};

}  // namespace

KernelTable movement_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
