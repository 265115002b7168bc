// Folds over any dimensions that are no sums: ReduceMax, ReduceMin, ReduceProd, ReduceLogSumExp,
// and the gradients that need the dimensions. Every result is folded by one task in a fixed order.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/stream.h"
#include "kernels/cpu/loops/walk.h"
#include "kernels/math/transcendental.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::size_t kX = 0, kY = 1, kPlace = 2;  // operands of a Dim

/// x as rows along its innermost dimension, at every (kept, reduced) position of the outer ones.
/// Either a row is folded to one result, or it is folded into a row of results. The third operand
/// counts the reduced dimensions in the tensor's logical order.
struct Cut {
  std::vector<Dim> kept, reduced;
  Dim inner;
  bool folds_rows = false;

  std::int64_t steps() const { return size_of(reduced); }
  std::int64_t rows() const { return size_of(kept); }
  /// Where the result of kept position `row`, column `i` lies.
  std::int64_t result(std::int64_t row, std::int64_t i) const {
    return offset_at(kept, kY, row) + i * inner.stride[kY];
  }
};

/// Dimensions of x in memory order with the strides of y, whose shape is x's without `axes` or with
/// ones in their place.
std::vector<Dim> dims_of(const TensorType& x, const TensorType& y, const Shape& axes) {
  const std::size_t rank = x.shape.size();
  const Shape x_strides = strides_of(x), y_strides = strides_of(y);
  const bool keeps = y.shape.size() == rank;
  Shape result(rank, 0), place(rank, 0);
  std::int64_t count = 1;
  for (std::size_t dim = rank, at = y.shape.size(); dim-- > 0;) {
    const bool reduced = std::ranges::count(axes, static_cast<std::int64_t>(dim)) > 0;
    if (keeps || !reduced) --at;
    if (reduced) {
      place[dim] = count;
      count *= x.shape[dim];
    } else {
      result[dim] = y_strides[at];
    }
  }
  std::vector<Dim> dims;
  for (const std::size_t dim : memory_order(x)) {
    dims.push_back({x.shape[dim], {x_strides[dim], result[dim], place[dim]}});
  }
  return merged(dims);
}

Cut cut_of(std::vector<Dim> dims) {
  Cut cut;
  cut.inner = dims.back();
  dims.pop_back();
  for (const Dim& dim : dims) (dim.stride[kPlace] != 0 ? cut.reduced : cut.kept).push_back(dim);
  cut.folds_rows = cut.inner.stride[kPlace] != 0;
  return cut;
}

/// Calls f(kept position, first column, columns) for every piece of results, in parallel.
template <class F>
void for_each_result(const Cut& cut, const F& f) {
  const std::int64_t columns = cut.folds_rows ? 1 : cut.inner.size;
  const std::int64_t tiles = (columns + kChunk - 1) / kChunk;
  const std::int64_t work =
      cut.steps() * (cut.folds_rows ? cut.inner.size : std::min(columns, kChunk));
  const std::int64_t block = std::max<std::int64_t>(1, kBlock / 4 / work);
  for_each_block(cut.rows() * tiles, block,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t first = task % tiles * kChunk;
                     f(task / tiles, first, std::min(kChunk, columns - first));
                   }
                 });
}

/// Calls f(values, count, place of the first, column) for the chunks of x that belong to `columns`
/// results: either to one (count elements of it) or to `count` of them, one each.
template <class F>
void for_each_chunk(const Cut& cut, const Reader& x, std::int64_t row, std::int64_t first,
                    std::int64_t columns, const F& f) {
  alignas(64) float buffer[kChunk];
  const std::int64_t base = offset_at(cut.kept, kX, row);
  for (std::int64_t step = 0; step < cut.steps(); ++step) {
    const std::int64_t offset = base + offset_at(cut.reduced, kX, step);
    const std::int64_t place = offset_at(cut.reduced, kPlace, step);
    if (!cut.folds_rows) {
      f(x(offset + first, columns, buffer), columns, place);
      continue;
    }
    for (std::int64_t i = 0; i < cut.inner.size; i += kChunk) {
      const std::int64_t count = std::min(kChunk, cut.inner.size - i);
      f(x(offset + i, count, buffer), count, place + i * cut.inner.stride[kPlace]);
    }
  }
}

/// Writes results that lie anywhere.
void write(const Cut& cut, const Writer& y, std::int64_t row, std::int64_t first,
           std::int64_t columns, const float* values) {
  for (std::int64_t i = 0; i < columns; ++i) {
    const std::int64_t at = cut.result(row, first + i);
    float one = values[i];
    *y.place(at, &one) = values[i];
    y.done(at, 1, &one);
  }
}

/// The largest element (of x times `sign`) and its place. NaN wins, as in PyTorch; of equal ones
/// the first in logical order.
struct Extreme {
  Reader x;
  Writer y;
  std::int32_t* index;  // or null
  Cut cut;
  float sign;

  void operator()() const {
    for_each_result(cut, [&](std::int64_t row, std::int64_t first, std::int64_t columns) {
      alignas(64) float best[kChunk];
      alignas(64) std::int32_t where[kChunk];
      std::fill_n(best, columns, -__builtin_inff());
      std::fill_n(where, columns, 0);
      for_each_chunk(cut, x, row, first, columns,
                     [&](const float* values, std::int64_t count, std::int64_t place) {
                       if (cut.folds_rows) {
                         along(values, count, place, best[0], where[0]);
                       } else {
                         across(values, count, static_cast<std::int32_t>(place), best, where);
                       }
                     });
      for (std::int64_t i = 0; i < columns; ++i) {
        if (index != nullptr) index[cut.result(row, first + i)] = where[i];
        best[i] *= sign;
      }
      write(cut, y, row, first, columns, best);
    });
  }

 private:
  void along(const float* values, std::int64_t count, std::int64_t place, float& best,
             std::int32_t& where) const {
    const float s = sign;
    const auto found = Group().reduce2<Greatest, Sum>(
        count,
        [=](float v) {
          return Two<float, float>{s * v, v != v ? 1.0F : 0.0F};
        },
        values);
    const bool undefined = found.second > 0;
    if (best != best || (!undefined && found.first < best)) return;
    std::int64_t at = 0;
    while (undefined ? values[at] == values[at] : s * values[at] != found.first) ++at;
    const auto here = static_cast<std::int32_t>(place + at * cut.inner.stride[kPlace]);
    if (s * values[at] == best && here > where) return;
    best = s * values[at];
    where = here;
  }

  void across(const float* values, std::int64_t count, std::int32_t place, float* best,
              std::int32_t* where) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const float v = sign * values[i];
      const bool better =
          (v > best[i]) | ((v != v) & (best[i] == best[i])) | ((v == best[i]) & (place < where[i]));
      best[i] = better ? v : best[i];
      where[i] = better ? place : where[i];
    }
  }
};

/// dx = dy where the place is the chosen one, else 0.
struct ExtremeGrad {
  Reader dy;
  const std::int32_t* index;
  Writer dx;
  std::vector<Dim> outer;
  Dim inner;

  void operator()() const {
    const std::int64_t block = std::max<std::int64_t>(1, kBlock / inner.size);
    for_each_block(size_of(outer), block, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) one(row);
    });
  }

 private:
  void one(std::int64_t row) const {
    alignas(64) float slope[kChunk], buffer[kChunk];
    const std::int64_t to = offset_at(outer, kX, row), from = offset_at(outer, kY, row);
    const std::int64_t place = offset_at(outer, kPlace, row);
    for (std::int64_t i = 0; i < inner.size; i += kChunk) {
      const std::int64_t count = std::min(kChunk, inner.size - i);
      float* out = dx.place(to + i, buffer);
      if (inner.stride[kPlace] != 0) {
        std::fill_n(out, count, 0.0F);
        const std::int64_t at = index[from] - place;
        const std::int64_t chosen = at / inner.stride[kPlace] - i;
        const bool here =
            at >= 0 && at % inner.stride[kPlace] == 0 && chosen >= 0 && chosen < count;
        if (here) out[chosen] = *dy(from, 1, slope);
      } else {
        const float* values = inner.stride[kY] == 1 ? dy(from + i, count, slope) : slope;
        for (std::int64_t k = 0; k < count; ++k) {
          const std::int64_t at = from + (i + k) * inner.stride[kY];
          const float value = inner.stride[kY] == 1 ? values[k] : *dy(at, 1, slope);
          out[k] = index[at] == place ? value : 0.0F;
        }
      }
      dx.done(to + i, count, out);
    }
  }
};

struct Product {
  Reader x;
  Writer y;
  Cut cut;

  void operator()() const {
    for_each_result(cut, [&](std::int64_t row, std::int64_t first, std::int64_t columns) {
      double product[kChunk];
      float values[kChunk];
      std::fill_n(product, columns, 1.0);
      for_each_chunk(cut, x, row, first, columns,
                     [&](const float* from, std::int64_t count, std::int64_t) {
                       for (std::int64_t i = 0; i < count; ++i) {
                         product[cut.folds_rows ? 0 : i] *= double{from[i]};
                       }
                     });
      for (std::int64_t i = 0; i < columns; ++i) values[i] = static_cast<float>(product[i]);
      write(cut, y, row, first, columns, values);
    });
  }
};

/// dx = dy times the product of all other elements, one zero among them or more.
struct ProductGrad {
  Reader dy, x;
  Writer dx;
  Cut cut;

  void operator()() const {
    for_each_result(cut, [&](std::int64_t row, std::int64_t first, std::int64_t columns) {
      for (std::int64_t i = first; i < first + columns; ++i) one(row, i);
    });
  }

 private:
  void one(std::int64_t row, std::int64_t column) const {
    const std::int64_t inner = cut.folds_rows ? cut.inner.size : 1;
    const std::int64_t base = offset_at(cut.kept, kX, row) + column;
    const auto for_each = [&](const auto& f) {
      for (std::int64_t step = 0; step < cut.steps(); ++step) {
        const std::int64_t offset = base + offset_at(cut.reduced, kX, step);
        for (std::int64_t i = 0; i < inner; ++i) f(offset + i);
      }
    };
    float buffer = 0;
    double product = 1;
    std::int64_t zeros = 0;
    for_each([&](std::int64_t at) {
      const double value = double{*x(at, 1, &buffer)};
      zeros += value == 0 ? 1 : 0;
      product *= value == 0 ? 1 : value;
    });
    const double slope = double{*dy(cut.result(row, column), 1, &buffer)};
    for_each([&](std::int64_t at) {
      const double value = double{*x(at, 1, &buffer)};
      const double others = zeros == 0 ? product / value : zeros == 1 && value == 0 ? product : 0;
      float result = static_cast<float>(slope * others);
      *dx.place(at, &result) = static_cast<float>(slope * others);
      dx.done(at, 1, &result);
    });
  }
};

/// log(sum(exp(x))) by way of the largest element.
struct LogSumExp {
  Reader x;
  Writer y;
  Cut cut;

  void operator()() const {
    for_each_result(cut, [&](std::int64_t row, std::int64_t first, std::int64_t columns) {
      alignas(64) float most[kChunk];
      double sum[kChunk];
      std::fill_n(most, columns, -__builtin_inff());
      std::fill_n(sum, columns, 0.0);
      for_each_chunk(cut, x, row, first, columns,
                     [&](const float* values, std::int64_t count, std::int64_t) {
                       if (cut.folds_rows) {
                         const float found = Group().reduce<Greatest>(
                             count, [](float v) { return v; }, values);
                         most[0] = std::max(most[0], found);
                       } else {
                         for (std::int64_t i = 0; i < count; ++i) {
                           most[i] = values[i] > most[i] ? values[i] : most[i];
                         }
                       }
                     });
      // An infinite maximum must not become Inf - Inf.
      for (std::int64_t i = 0; i < columns; ++i) most[i] = std::isinf(most[i]) ? 0 : most[i];
      for_each_chunk(cut, x, row, first, columns,
                     [&](const float* values, std::int64_t count, std::int64_t) {
                       if (cut.folds_rows) {
                         const float m = most[0];
                         sum[0] += double{Group().reduce<Sum>(
                             count, [=](float v) { return math::exp(v - m); }, values)};
                       } else {
                         for (std::int64_t i = 0; i < count; ++i) {
                           sum[i] += double{math::exp(values[i] - most[i])};
                         }
                       }
                     });
      for (std::int64_t i = 0; i < columns; ++i) {
        most[i] = static_cast<float>(double{most[i]} + std::log(sum[i]));
      }
      write(cut, y, row, first, columns, most);
    });
  }
};

/// Whether y has x's shape without `axes`, or with ones in their place.
bool reduces(const TensorType& x, const TensorType& y, const Shape& axes) {
  const bool keeps = y.shape.size() == x.shape.size();
  Shape shape;
  for (std::size_t dim = 0; dim < x.shape.size(); ++dim) {
    const bool reduced = std::ranges::count(axes, static_cast<std::int64_t>(dim)) > 0;
    if (!reduced) shape.push_back(x.shape[dim]);
    if (reduced && keeps) shape.push_back(1);
  }
  return shape == y.shape;
}

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const bool extreme = call.op == "ReduceMax" || call.op == "ReduceMin";
  if (call.inputs.size() != 1 || call.outputs.empty() || call.outputs.size() > (extreme ? 2 : 1)) {
    return {};
  }
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  if (!streams(x, y) || x.elements() == 0 || !reduces(x, y, call.attributes.integers("axes"))) {
    return {};
  }
  const bool indexed = call.outputs.size() == 1 || (call.outputs[1].form.dtype == DType::I32 &&
                                                    call.outputs[1].shape == y.shape &&
                                                    call.outputs[1].form.layout == y.form.layout);
  if (!indexed) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  Cut cut = cut_of(dims_of(call.inputs[0], call.outputs[0], call.attributes.integers("axes")));
  const Reader x(views.inputs[0]);
  const Writer y(views.outputs[0]);
  if (call.op == "ReduceProd") return bound(Product{x, y, std::move(cut)});
  if (call.op == "ReduceLogSumExp") return bound(LogSumExp{x, y, std::move(cut)});
  auto* index =
      views.outputs.size() > 1 ? reinterpret_cast<std::int32_t*>(views.outputs[1].data) : nullptr;
  return bound(Extreme{x, y, index, std::move(cut), call.op == "ReduceMax" ? 1.0F : -1.0F});
}

std::vector<KernelChoice> grad_candidates(const KernelCall& call) {
  if (call.inputs.size() != 2 || call.outputs.size() != 1) return {};
  const TensorType &dy = call.inputs[0], &saved = call.inputs[1], &dx = call.outputs[0];
  const bool product = call.op == "ReduceProdGrad";
  const TensorType& like = product ? dx : dy;
  if (!streams(dy, dx) || dx.elements() == 0 || saved.shape != like.shape ||
      saved.form.layout != like.form.layout || !reduces(dx, dy, call.attributes.integers("axes"))) {
    return {};
  }
  if (product ? !has_storage(saved.form.dtype) : saved.form.dtype != DType::I32) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_grad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  std::vector<Dim> dims =
      dims_of(call.outputs[0], call.inputs[0], call.attributes.integers("axes"));
  const Reader dy(views.inputs[0]);
  const Writer dx(views.outputs[0]);
  if (call.op == "ReduceProdGrad") {
    return bound(ProductGrad{dy, Reader(views.inputs[1]), dx, cut_of(std::move(dims))});
  }
  const Dim inner = dims.back();
  dims.pop_back();
  return bound(ExtremeGrad{dy, reinterpret_cast<const std::int32_t*>(views.inputs[1].data), dx,
                           std::move(dims), inner});
}

constexpr KernelEntry kEntries[] = {{"ReduceMax", candidates, bind},
                                    {"ReduceMin", candidates, bind},
                                    {"ReduceProd", candidates, bind},
                                    {"ReduceLogSumExp", candidates, bind},
                                    {"ReduceMaxGrad", grad_candidates, bind_grad},
                                    {"ReduceProdGrad", grad_candidates, bind_grad}};

}  // namespace

KernelTable fold_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
