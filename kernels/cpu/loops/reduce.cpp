// Sums over any dimensions: ReduceSum, ReduceMean, ReduceL2, SumTo, BiasGrad. F32 sums of short
// runs are collected in F64, so that no length of a sum costs accuracy; the order depends on shapes
// alone.
#include <cmath>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/cpu/loops/walk.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::size_t kX = 0, kY = 1;    // operands of a Dim
constexpr std::int64_t kTile = 1024;     // outputs that one task sums at most
constexpr std::int64_t kTasks = 64;      // enough for all threads
constexpr std::int64_t kRunOfRows = 32;  // rows that are added in F32 before they go to F64

/// How a sum is cut. x is rows along its innermost dimension, at every (kept, reduced) position of
/// the outer ones. Either a row is summed to one output, or it is added to a row of outputs.
struct Cut {
  std::vector<Dim> kept, reduced;  // outer dimensions
  Dim inner;
  bool sums_rows = false;
  std::int64_t segment = 1;   // elements of a row in one visit
  std::int64_t segments = 1;  // of a row that is summed
  std::int64_t steps = 1;     // reduced positions times segments
  std::int64_t outputs = 1;
  std::int64_t tile = 1;  // outputs of a task
  std::int64_t tiles = 1;
  std::int64_t part = 1;  // steps of a task
  std::int64_t parts = 1;
  bool dense = true;  // the outputs lie in the order of their numbers
};

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// `strides`: of y along each dimension of x, 0 where it is summed over.
Cut cut_of(const TensorType& x, const Shape& strides) {
  const Shape x_strides = strides_of(x);
  std::vector<Dim> dims;
  for (const std::size_t dim : memory_order(x)) {
    dims.push_back({x.shape[dim], {x_strides[dim], strides[dim]}});
  }
  dims = merged(dims);
  Cut cut;
  cut.inner = dims.back();
  dims.pop_back();
  for (const Dim& dim : dims) (dim.stride[kY] == 0 ? cut.reduced : cut.kept).push_back(dim);
  cut.sums_rows = cut.inner.stride[kY] == 0;
  const std::int64_t kept = size_of(cut.kept);
  const std::int64_t width = cut.inner.size;
  if (cut.sums_rows) {
    cut.segment = std::min(width, kBlock);
    cut.segments = divided_up(width, cut.segment);
    cut.outputs = kept;
    cut.tile = std::clamp<std::int64_t>(kBlock / cut.segment, 1, std::min(kept, kTile));
    cut.tiles = divided_up(kept, cut.tile);
  } else {
    cut.segment = std::min(width, kTile);
    cut.outputs = kept * width;
    cut.tile = cut.segment;
    cut.tiles = kept * divided_up(width, cut.tile);
  }
  cut.steps = size_of(cut.reduced) * cut.segments;
  const std::int64_t least =
      std::max<std::int64_t>(1, kBlock / (cut.sums_rows ? cut.tile * cut.segment : cut.tile));
  cut.parts = std::min(divided_up(cut.steps, least), std::max<std::int64_t>(1, kTasks / cut.tiles));
  cut.part = divided_up(cut.steps, cut.parts);
  cut.parts = divided_up(cut.steps, cut.part);
  std::int64_t step = 1;
  std::vector<Dim> order = cut.kept;
  if (!cut.sums_rows) order.push_back(cut.inner);
  for (std::size_t dim = order.size(); dim-- > 0;) {
    cut.dense = cut.dense && order[dim].stride[kY] == step;
    step *= order[dim].size;
  }
  return cut;
}

struct Reduce {
  TensorView x, y;
  Cut cut;
  Convert load;  // null: F32, read in place
  Convert store;
  double factor;
  bool norm;       // the root of the sum of squares
  float* partial;  // `outputs` a part, where there is more than one

  void operator()() const {
    const std::int64_t work = cut.part * cut.tile * (cut.sums_rows ? cut.segment : 1);
    const std::int64_t tasks_a_block = std::max<std::int64_t>(1, kBlock / work);
    for_each_block(cut.tiles * cut.parts, tasks_a_block,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t task = begin; task < end; ++task) {
                       run(task % cut.tiles, task / cut.tiles);
                     }
                   });
    if (cut.parts == 1) return;
    for_each_block(cut.outputs, kTile, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      double total[kTile] = {};
      for (std::int64_t part = 0; part < cut.parts; ++part) {
        const float* from = partial + part * cut.outputs + begin;
        for (std::int64_t i = 0; i < end - begin; ++i) total[i] += double{from[i]};
      }
      write(begin, end - begin, total);
    });
  }

 private:
  void run(std::int64_t tile, std::int64_t part) const {
    double total[kTile] = {};
    const std::int64_t begin = part * cut.part, end = std::min(cut.steps, begin + cut.part);
    const float read = x.scale != nullptr ? *x.scale : 1.0F;
    std::int64_t first = tile * cut.tile, count = std::min(cut.tile, cut.outputs - first);
    if (cut.sums_rows) {
      sum_rows(first, count, begin, end, read, total);
    } else {
      const std::int64_t across = divided_up(cut.inner.size, cut.tile);
      const std::int64_t column = tile % across * cut.tile;
      first = tile / across * cut.inner.size + column;
      count = std::min(cut.tile, cut.inner.size - column);
      add_rows(offset_at(cut.kept, kX, tile / across) + column, count, begin, end, read, total);
    }
    if (cut.parts == 1) {
      write(first, count, total);
    } else {
      float* to = partial + part * cut.outputs + first;
      for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<float>(total[i]);
    }
  }

  /// `count` <= kChunk elements of x from `offset` on, in F32.
  const float* elements(std::int64_t offset, std::int64_t count, float read, float* buffer) const {
    const std::byte* from = x.data + offset * (bits_of(x.type.form.dtype) / 8);
    const auto* values = reinterpret_cast<const float*>(from);
    if (load != nullptr) {
      load(from, reinterpret_cast<std::byte*>(buffer), count, read);
      values = buffer;
    }
    if (!norm) return values;
    Group().map(
        count, [](float v) { return v * v; }, Out{buffer}, values);
    return buffer;
  }

  void sum_rows(std::int64_t first, std::int64_t outputs, std::int64_t begin, std::int64_t end,
                float read, double* total) const {
    alignas(64) float buffer[kChunk];
    for (std::int64_t step = begin; step < end; ++step) {
      const std::int64_t column = step % cut.segments * cut.segment;
      const std::int64_t stop = std::min(cut.inner.size, column + cut.segment);
      const std::int64_t base = offset_at(cut.reduced, kX, step / cut.segments);
      for (std::int64_t k = 0; k < outputs;) {
        const std::int64_t row = base + offset_at(cut.kept, kX, first + k);
        const std::int64_t rows = std::min(rows_at(first + k), outputs - k);
        for (std::int64_t i = column; i < stop; i += kChunk) {
          const std::int64_t count = std::min(kChunk, stop - i);
          const float* values = elements(row + i, rows * count, read, buffer);
          for (std::int64_t r = 0; r < rows; ++r)
            total[k + r] += double{sum(values + r * count, count)};
        }
        k += rows;
      }
    }
  }

  /// Rows from output k on that lie one after another and fit a chunk, at least one.
  std::int64_t rows_at(std::int64_t k) const {
    if (cut.kept.empty() || cut.kept.back().stride[kX] != cut.inner.size) return 1;
    const std::int64_t left = cut.kept.back().size - k % cut.kept.back().size;
    return std::max<std::int64_t>(1, std::min(left, kChunk / cut.inner.size));
  }

  static float sum(const float* values, std::int64_t count) {
    constexpr std::int64_t kShort = 16;
    if (count > kShort)
      return Group().reduce<Sum>(
          count, [](float v) { return v; }, values);
    float result = 0;
    for (std::int64_t i = 0; i < count; ++i) result += values[i];
    return result;
  }

  void add_rows(std::int64_t base, std::int64_t columns, std::int64_t begin, std::int64_t end,
                float read, double* total) const {
    alignas(64) float buffer[kChunk];
    alignas(64) float run[kTile];
    for (std::int64_t step = begin; step < end; step += kRunOfRows) {
      std::fill_n(run, columns, 0.0F);
      for (std::int64_t row = step; row < std::min(end, step + kRunOfRows); ++row) {
        const std::int64_t offset = base + offset_at(cut.reduced, kX, row);
        for (std::int64_t i = 0; i < columns; i += kChunk) {
          const std::int64_t count = std::min(kChunk, columns - i);
          accumulate(elements(offset + i, count, read, buffer), run + i, count);
        }
      }
      for (std::int64_t i = 0; i < columns; ++i) total[i] += double{run[i]};
    }
  }

  void write(std::int64_t first, std::int64_t count, const double* total) const {
    float values[kTile];
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<float>(norm ? std::sqrt(total[i]) : factor * total[i]);
    }
    const std::int64_t bytes = bits_of(y.type.form.dtype) / 8;
    const auto* from = reinterpret_cast<const std::byte*>(values);
    if (cut.dense) {
      store(from, y.data + first * bytes, count, 1.0F);
      return;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      store(from + 4 * i, y.data + place(first + i) * bytes, 1, 1.0F);
    }
  }

  std::int64_t place(std::int64_t output) const {
    if (cut.sums_rows) return offset_at(cut.kept, kY, output);
    return offset_at(cut.kept, kY, output / cut.inner.size) +
           output % cut.inner.size * cut.inner.stride[kY];
  }
};

/// What a call sums: y's stride along each dimension of x (0: summed over), and the factor. No
/// strides where the call is unsupported.
struct Sums {
  bool supported = false;
  Shape strides;
  double factor = 1;
  bool norm = false;
};

/// Of a y whose shape is that of x with ones, or without them and a shorter rank.
Sums broadcast_sums(const KernelCall& call, Shape kept, double factor) {
  const TensorType& x = call.inputs[0];
  const TensorType& y = call.outputs[0];
  if (!broadcasts(kept, x.shape)) return {};
  return {true, broadcast_strides({std::move(kept), y.form}, x.shape), factor};
}

Sums sum_to(const KernelCall& call) {
  if (call.attributes.integers("shape") != call.outputs[0].shape) return {};
  return broadcast_sums(call, call.outputs[0].shape, call.attributes.number("scale", 1));
}

template <bool Mean>
Sums reduction(const KernelCall& call) {
  const TensorType& x = call.inputs[0];
  const TensorType& y = call.outputs[0];
  const bool keeps = call.attributes.integer("keepdims", 1) != 0;
  const Shape axes = call.attributes.integers("axes");
  const Shape y_strides = strides_of(y);
  Sums sums{true, Shape(x.shape.size(), 0), 1};
  std::size_t at = 0;  // dimension of y
  for (std::size_t dim = 0; dim < x.shape.size(); ++dim) {
    const bool summed =
        std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(dim)) != axes.end();
    if (summed) sums.factor *= static_cast<double>(x.shape[dim]);
    if (summed && !keeps) continue;
    if (at >= y.shape.size() || y.shape[at] != (summed ? 1 : x.shape[dim])) return {};
    if (!summed) sums.strides[dim] = y_strides[at];
    ++at;
  }
  if (at != y.shape.size()) return {};
  sums.factor = Mean ? 1 / sums.factor : 1;
  return sums;
}

Sums norm(const KernelCall& call) {
  Sums sums = reduction<false>(call);
  sums.norm = true;
  return sums;
}

Sums bias_grad(const KernelCall& call) {
  const TensorType& x = call.inputs[0];
  const TensorType& y = call.outputs[0];
  const std::int64_t axis = call.attributes.integer("axis", -1);
  if (axis < 0 || axis >= static_cast<std::int64_t>(x.shape.size())) return {};
  const auto dim = static_cast<std::size_t>(axis);
  if (y.shape != Shape{x.shape[dim]} || y.form.dtype != DType::F32) return {};
  Sums sums{true, Shape(x.shape.size(), 0), 1};
  sums.strides[dim] = 1;
  return sums;
}

template <auto Of>
std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType& x = call.inputs[0];
  if (!has_storage(x.form.dtype) || !is_carrier(call.outputs[0].form.dtype)) return {};
  const Sums sums = Of(call);
  if (!sums.supported || x.elements() == 0) return {};
  const Cut cut = cut_of(x, sums.strides);
  return {
      {.algorithm = "loop", .workspace_bytes = cut.parts == 1 ? 0 : 4 * cut.parts * cut.outputs}};
}

template <auto Of>
BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Sums sums = Of(call);
  const DType from = call.inputs[0].form.dtype;
  return bound(Reduce{.x = views.inputs[0],
                      .y = views.outputs[0],
                      .cut = cut_of(call.inputs[0], sums.strides),
                      .load = from == DType::F32 ? nullptr : convert_of(from, DType::F32),
                      .store = convert_of(DType::F32, call.outputs[0].form.dtype),
                      .factor = sums.factor,
                      .norm = sums.norm,
                      .partial = reinterpret_cast<float*>(views.workspace)});
}

constexpr KernelEntry kEntries[] = {
    {"ReduceSum", candidates<reduction<false>>, bind<reduction<false>>},
    {"ReduceMean", candidates<reduction<true>>, bind<reduction<true>>},
    {"ReduceL2", candidates<norm>, bind<norm>},
    {"SumTo", candidates<sum_to>, bind<sum_to>},
    {"BiasGrad", candidates<bias_grad>, bind<bias_grad>}};

}  // namespace

KernelTable reduce_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
