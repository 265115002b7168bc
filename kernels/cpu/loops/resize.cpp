// Resize and its gradient: every output position is a weighted sum of source positions, the weights
// products of one factor a dimension. The gradient is the same sum over the inverse table.
#include <algorithm>
#include <vector>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/stream.h"
#include "kernels/cpu/loops/walk.h"
#include "kernels/resample.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kTasks = 64;  // at most: each has rows of its own in the workspace

struct Axis {
  Taps taps;
  std::int64_t stride = 0;  // of the source, in elements
};

/// Rows along the innermost dimension that changes, or along all those behind it that do not.
struct Geometry {
  std::vector<Axis> outer;
  Axis last;  // without taps where the rows do not change
  std::int64_t rows = 1, from = 1, to = 1;

  std::int64_t rows_per_task() const {
    const std::int64_t cheap = std::max<std::int64_t>(1, kBlock / 4 / to);
    return std::max(cheap, (rows + kTasks - 1) / kTasks);
  }
  std::int64_t tasks() const { return (rows + rows_per_task() - 1) / rows_per_task(); }
  std::int64_t buffer() const { return 2 * from + to; }
};

bool is_identity(const Taps& taps, std::int64_t from) {
  bool same = taps.positions() == from;
  for (std::int64_t i = 0; same && i < from; ++i) {
    same = taps.begin[static_cast<std::size_t>(i)] == i && !taps.is_outside(i) &&
           taps.index[static_cast<std::size_t>(i)] == i &&
           taps.weight[static_cast<std::size_t>(i)] == 1;
  }
  return same && static_cast<std::int64_t>(taps.index.size()) == from;
}

Geometry geometry_of(const KernelCall& call) {
  const bool grad = call.op == "ResizeGrad";
  const TensorType &from = call.inputs[0], &to = call.outputs[0];
  const Shape& input = grad ? to.shape : from.shape;
  const Shape& output = grad ? from.shape : to.shape;
  const Shape strides = strides_of(from);
  Geometry geometry;
  std::vector<std::size_t> order = memory_order(to);
  while (!order.empty()) {
    const std::size_t dim = order.back();
    Taps taps = resize_taps(call.attributes, dim, input[dim], output[dim]);
    if (!is_identity(taps, input[dim])) break;
    geometry.from = geometry.to *= to.shape[dim];
    order.pop_back();
  }
  for (const std::size_t dim : order) {
    Taps taps = resize_taps(call.attributes, dim, input[dim], output[dim]);
    geometry.outer.push_back({grad ? inverse_of(taps, input[dim]) : std::move(taps), strides[dim]});
  }
  if (geometry.to == 1 && !geometry.outer.empty()) {
    geometry.from = from.shape[order.back()];
    geometry.to = to.shape[order.back()];
    geometry.last = std::move(geometry.outer.back());
    geometry.outer.pop_back();
  }
  for (const Axis& axis : geometry.outer) geometry.rows *= axis.taps.positions();
  return geometry;
}

struct Resize {
  Reader x;
  Writer y;
  Geometry geometry;
  float beyond;  // where a position lies outside of the region
  float* buffers;

  void operator()() const {
    for_each_block(geometry.rows, geometry.rows_per_task(),
                   [&](std::int64_t task, std::int64_t begin, std::int64_t end) {
                     float* buffer = buffers + task * geometry.buffer();
                     for (std::int64_t row = begin; row < end; ++row) one(row, buffer);
                   });
  }

 private:
  void one(std::int64_t row, float* buffer) const {
    float* sum = buffer + geometry.from;
    std::fill_n(sum, geometry.from, 0.0F);
    const bool inside = add(geometry.outer.size(), row, 0, 1.0F, buffer, sum);
    float* to = y.place(row * geometry.to, sum + geometry.from);
    if (!inside) {
      std::fill_n(to, geometry.to, beyond);
    } else if (geometry.last.taps.positions() == 0) {
      std::copy_n(sum, geometry.to, to);
    } else {
      along(sum, to);
    }
    y.done(row * geometry.to, geometry.to, to);
  }

  /// Adds the source rows of output position `row`, counted along the first `dims` dimensions.
  bool add(std::size_t dims, std::int64_t row, std::int64_t offset, float weight, float* buffer,
           float* sum) const {
    if (dims == 0) {
      Group().map(
          geometry.from, [=](float v, float s) { return s + weight * v; }, Out{sum},
          x(offset, geometry.from, buffer), static_cast<const float*>(sum));
      return true;
    }
    const Axis& axis = geometry.outer[dims - 1];
    const std::int64_t at = row % axis.taps.positions();
    if (axis.taps.is_outside(at)) return false;
    bool inside = true;
    for (std::int64_t k = axis.taps.first(at); k < axis.taps.first(at + 1); ++k) {
      const auto tap = static_cast<std::size_t>(k);
      inside =
          add(dims - 1, row / axis.taps.positions(), offset + axis.taps.index[tap] * axis.stride,
              weight * axis.taps.weight[tap], buffer, sum) &&
          inside;
    }
    return inside;
  }

  void along(const float* from, float* to) const {
    const Taps& taps = geometry.last.taps;
    for (std::int64_t i = 0; i < geometry.to; ++i) {
      float sum = taps.is_outside(i) ? beyond : 0.0F;
      for (std::int64_t k = taps.first(i); k < taps.first(i + 1); ++k) {
        const auto tap = static_cast<std::size_t>(k);
        sum += taps.weight[tap] * from[taps.index[tap]];
      }
      to[i] = sum;
    }
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType &from = call.inputs[0], &to = call.outputs[0];
  if (!streams(from, to) || from.form.layout != to.form.layout || from.elements() == 0 ||
      to.elements() == 0 || from.shape.size() != to.shape.size()) {
    return {};
  }
  const Geometry geometry = geometry_of(call);
  return {{.algorithm = "loop", .workspace_bytes = 4 * geometry.tasks() * geometry.buffer()}};
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const bool grad = call.op == "ResizeGrad";
  const double beyond = grad ? 0 : call.attributes.number("extrapolation_value", 0);
  return bound(Resize{Reader(views.inputs[0]), Writer(views.outputs[0]), geometry_of(call),
                      static_cast<float>(beyond), reinterpret_cast<float*>(views.workspace)});
}

constexpr KernelEntry kEntries[] = {{"Resize", candidates, bind}, {"ResizeGrad", candidates, bind}};

}  // namespace

KernelTable resize_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
