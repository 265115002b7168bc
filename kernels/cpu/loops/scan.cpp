// CumSum along one dimension, and Trilu, which keeps a triangle of the last two.
#include <algorithm>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/stream.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

/// [outer, length, inner]; columns of `inner` are summed side by side.
struct CumSum {
  Reader x;
  Writer y;
  std::int64_t outer, length, inner;
  bool exclusive, reverse;

  void operator()() const {
    const std::int64_t tiles = (inner + kChunk - 1) / kChunk;
    const std::int64_t work = length * std::min(inner, kChunk);
    for_each_block(outer * tiles, std::max<std::int64_t>(1, kBlock / work),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t task = begin; task < end; ++task) {
                       const std::int64_t column = task % tiles * kChunk;
                       columns(task / tiles, column, std::min(kChunk, inner - column));
                     }
                   });
  }

 private:
  void columns(std::int64_t row, std::int64_t column, std::int64_t count) const {
    double sum[kChunk];
    float buffer[kChunk];
    std::fill_n(sum, count, 0.0);
    for (std::int64_t step = 0; step < length; ++step) {
      const std::int64_t at = reverse ? length - 1 - step : step;
      const std::int64_t offset = (row * length + at) * inner + column;
      const float* values = x(offset, count, buffer);
      float* to = y.place(offset, buffer);
      for (std::int64_t i = 0; i < count; ++i) {
        const double next = sum[i] + double{values[i]};
        to[i] = static_cast<float>(exclusive ? sum[i] : next);
        sum[i] = next;
      }
      y.done(offset, count, to);
    }
  }
};

struct Trilu {
  Reader x;
  Writer y;
  std::int64_t rows, height, width, k;
  bool upper;

  void operator()() const {
    for_each_block(rows, std::max<std::int64_t>(1, kBlock / width),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) one(row);
                   });
  }

 private:
  void one(std::int64_t row) const {
    float buffer[kChunk];
    // Columns before `edge` are left of the triangle's border.
    const std::int64_t edge =
        std::clamp<std::int64_t>(row % height + k + (upper ? 0 : 1), 0, width);
    for (std::int64_t i = 0; i < width; i += kChunk) {
      const std::int64_t count = std::min(kChunk, width - i);
      const std::int64_t left = std::clamp<std::int64_t>(edge - i, 0, count);
      const std::int64_t offset = row * width + i;
      const float* values = x(offset, count, buffer);
      float* to = y.place(offset, buffer);
      if (to != values) std::copy_n(values, count, to);
      if (upper) {
        std::fill_n(to, left, 0.0F);
      } else {
        std::fill(to + left, to + count, 0.0F);
      }
      y.done(offset, count, to);
    }
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  const bool fits = streams(x, y) && x.shape == y.shape && x.elements() > 0 &&
                    x.form.layout == Layout::RowMajor && y.form.layout == Layout::RowMajor &&
                    (call.op != "Trilu" || x.shape.size() >= 2);
  if (!fits) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_cumsum(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape& shape = call.inputs[0].shape;
  const std::int64_t axis = call.attributes.integer("axis", 0);
  CumSum sum{.x = Reader(views.inputs[0]),
             .y = Writer(views.outputs[0]),
             .outer = 1,
             .length = 1,
             .inner = 1,
             .exclusive = call.attributes.integer("exclusive", 0) != 0,
             .reverse = call.attributes.integer("reverse", 0) != 0};
  for (std::int64_t dim = 0; dim < static_cast<std::int64_t>(shape.size()); ++dim) {
    (dim < axis    ? sum.outer
     : dim == axis ? sum.length
                   : sum.inner) *= shape[static_cast<std::size_t>(dim)];
  }
  return bound(sum);
}

BoundKernel bind_trilu(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape& shape = call.inputs[0].shape;
  return bound(Trilu{.x = Reader(views.inputs[0]),
                     .y = Writer(views.outputs[0]),
                     .rows = elements_of(shape) / shape.back(),
                     .height = shape[shape.size() - 2],
                     .width = shape.back(),
                     .k = call.attributes.integer("k", 0),
                     .upper = call.attributes.integer("upper", 1) != 0});
}

constexpr KernelEntry kEntries[] = {{"CumSum", candidates, bind_cumsum},
                                    {"Trilu", candidates, bind_trilu}};

}  // namespace

KernelTable scan_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
