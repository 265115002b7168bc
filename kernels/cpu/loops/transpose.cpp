// Transpose by any permutation: rows where the innermost dimension stays, else matrices that are
// transposed in tiles.
#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/cpu/loops/walk.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::size_t kX = 0, kY = 1;  // operands of a Dim

/// y's dimensions in its order in memory, with x's and y's strides.
std::vector<Dim> dims_of(const KernelCall& call) {
  const TensorType& y = call.outputs[0];
  const Shape perm = call.attributes.integers("perm");
  const Shape x_strides = strides_of(call.inputs[0]), y_strides = strides_of(y);
  std::vector<Dim> dims;
  for (const std::size_t dim : memory_order(y)) {
    dims.push_back(
        {y.shape[dim], {x_strides[static_cast<std::size_t>(perm[dim])], y_strides[dim]}});
  }
  return merged(dims);
}

struct Rows {
  TensorView x, y;
  std::vector<Dim> outer;
  std::int64_t columns;
  Convert convert;  // null: the bits are copied

  void operator()() const {
    const std::int64_t x_bytes = bits_of(x.type.form.dtype) / 8;
    const std::int64_t y_bytes = bits_of(y.type.form.dtype) / 8;
    const float factor = x.scale != nullptr ? *x.scale : 1.0F;
    const std::int64_t cuts = (columns + kBlock - 1) / kBlock, width = std::min(columns, kBlock);
    for_each_block(size_of(outer) * cuts, std::max<std::int64_t>(1, kBlock / width),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const std::int64_t column = i % cuts * width, row = i / cuts;
                       const std::int64_t count = std::min(width, columns - column);
                       const std::byte* from =
                           x.data + (offset_at(outer, kX, row) + column) * x_bytes;
                       std::byte* to = y.data + (row * columns + column) * y_bytes;
                       if (convert != nullptr) {
                         convert(from, to, count, factor);
                       } else {
                         std::memcpy(to, from, static_cast<std::size_t>(count * y_bytes));
                       }
                     }
                   });
  }
};

/// Every matrix lies between x's innermost dimension and y's.
struct Matrices {
  TensorView x, y;
  std::vector<Dim> outer;
  Dim rows;     // innermost in y
  Dim columns;  // innermost in x
  ConvertTransposed convert;

  void operator()() const {
    constexpr std::int64_t kRows = 64, kColumns = 256;
    const std::int64_t x_bytes = bits_of(x.type.form.dtype) / 8;
    const std::int64_t y_bytes = bits_of(y.type.form.dtype) / 8;
    const float factor = x.scale != nullptr ? *x.scale : 1.0F;
    const std::int64_t down = (rows.size + kRows - 1) / kRows;
    const std::int64_t across = (columns.size + kColumns - 1) / kColumns;
    const std::int64_t work = std::min(kRows, rows.size) * std::min(kColumns, columns.size);
    for_each_block(
        size_of(outer) * down * across, std::max<std::int64_t>(1, kBlock / work),
        [&](std::int64_t, std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t matrix = i / across / down;
            const std::int64_t row = i / across % down * kRows, column = i % across * kColumns;
            convert(
                x.data + (offset_at(outer, kX, matrix) + row * rows.stride[kX] + column) * x_bytes,
                y.data +
                    (offset_at(outer, kY, matrix) + row + column * columns.stride[kY]) * y_bytes,
                std::min(kRows, rows.size - row), std::min(kColumns, columns.size - column),
                rows.stride[kX], columns.stride[kY], factor);
          }
        });
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType& x = call.inputs[0];
  const TensorType& y = call.outputs[0];
  const DType from = x.form.dtype, to = y.form.dtype;
  const bool copies = from == to && bits_of(from) >= 8;
  if (!copies && !(has_storage(from) && is_carrier(to))) return {};
  const Shape perm = call.attributes.integers("perm");
  if (perm.size() != x.shape.size() || y.shape.size() != x.shape.size()) return {};
  std::vector<bool> seen(perm.size(), false);
  for (std::size_t dim = 0; dim < perm.size(); ++dim) {
    const auto of = static_cast<std::size_t>(perm[dim]);
    if (of >= perm.size() || seen[of] || y.shape[dim] != x.shape[of]) return {};
    seen[of] = true;
  }
  if (x.elements() == 0) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const DType from = call.inputs[0].form.dtype, to = call.outputs[0].form.dtype;
  const bool copies = from == to;
  std::vector<Dim> outer = dims_of(call);
  const Dim rows = outer.back();
  outer.pop_back();
  if (rows.stride[kX] == 1 || rows.size == 1) {
    return bound(Rows{views.inputs[0], views.outputs[0], outer, rows.size,
                      copies ? nullptr : convert_of(from, to)});
  }
  const auto columns =
      std::find_if(outer.begin(), outer.end(), [](const Dim& dim) { return dim.stride[kX] == 1; });
  Matrices matrices{
      views.inputs[0],
      views.outputs[0],
      {},
      rows,
      *columns,
      copies ? copy_transposed_of(bits_of(from) / 8) : convert_transposed_of(from, to)};
  outer.erase(columns);
  matrices.outer = std::move(outer);
  return bound(std::move(matrices));
}

constexpr KernelEntry kEntries[] = {{"Transpose", candidates, bind}};

}  // namespace

KernelTable transpose_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
