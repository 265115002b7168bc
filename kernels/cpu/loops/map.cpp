#include "kernels/cpu/loops/map.h"

#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/cpu/loops/walk.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

/// A matrix inside a tensor, strides in elements.
struct Piece {
  std::int64_t rows, columns, row_stride, column_stride;
};

using Gather = void (*)(const std::byte* from, const Piece& piece, float* to, float factor);

/// Row 0, again and again, where the rows lie on each other: each copy doubles what is there.
void repeat(float* to, std::int64_t columns, std::int64_t count) {
  for (std::int64_t done = columns; done < count; done *= 2) {
    std::memcpy(to + done, to,
                sizeof(float) * static_cast<std::size_t>(std::min(done, count - done)));
  }
}

template <class T>
void gather(const std::byte* from, const Piece& piece, float* to, float factor) {
  const bool repeats = piece.row_stride == 0;
  for (std::int64_t row = 0; row < (repeats ? 1 : piece.rows); ++row) {
    const T* source = reinterpret_cast<const T*>(from) + row * piece.row_stride;
    float* __restrict target = to + row * piece.columns;
    if (piece.column_stride == 0) {
      const float value = factor * decode(*source);
      for (std::int64_t i = 0; i < piece.columns; ++i) target[i] = value;
    } else if (piece.column_stride == 1) {
      for (std::int64_t i = 0; i < piece.columns; ++i) target[i] = factor * decode(source[i]);
    } else {
      for (std::int64_t i = 0; i < piece.columns; ++i) {
        target[i] = factor * decode(source[i * piece.column_stride]);
      }
    }
  }
  if (repeats) repeat(to, piece.columns, piece.rows * piece.columns);
}

/// Truth values are read and written as 0 and 1.
void gather_truth(const std::byte* from, const Piece& piece, float* to, float) {
  for (std::int64_t row = 0; row < piece.rows; ++row) {
    for (std::int64_t i = 0; i < piece.columns; ++i) {
      const std::byte value = from[row * piece.row_stride + i * piece.column_stride];
      to[row * piece.columns + i] = value != std::byte{0} ? 1.0F : 0.0F;
    }
  }
}

void load_truth(const std::byte* from, std::byte* to, std::int64_t count, float factor) {
  gather_truth(from, {1, count, 0, 1}, reinterpret_cast<float*>(to), factor);
}

void store_truth(const std::byte* from, std::byte* to, std::int64_t count, float) {
  const auto* values = reinterpret_cast<const float*>(from);
  for (std::int64_t i = 0; i < count; ++i) to[i] = values[i] != 0.0F ? std::byte{1} : std::byte{0};
}

struct Input {
  TensorView view;
  std::int64_t element_bytes;
  Convert load;  // null: F32, read in place
  Gather gather;

  float factor() const { return view.scale != nullptr ? *view.scale : 1.0F; }
};

struct Map {
  Compute compute;
  std::vector<Input> inputs;
  TensorView out;
  const std::byte* bits;
  std::byte* mask;
  Convert store;  // null: F32, written in place
  // The output's order in memory: `outer`, then a matrix, cut into pieces of at most a chunk.
  std::vector<Dim> outer;
  Dim rows, columns;
  std::int64_t piece_rows, piece_columns;

  void operator()() const {
    const std::int64_t across = (columns.size + piece_columns - 1) / piece_columns;
    const std::int64_t down = (rows.size + piece_rows - 1) / piece_rows;
    const std::int64_t pieces_a_block =
        std::max<std::int64_t>(1, kBlock / std::max<std::int64_t>(1, piece_rows * piece_columns));
    for_each_block(size_of(outer) * down * across, pieces_a_block,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t piece = begin; piece < end; ++piece) {
                       run(piece / across / down, piece / across % down * piece_rows,
                           piece % across * piece_columns);
                     }
                   });
  }

 private:
  void run(std::int64_t matrix, std::int64_t row, std::int64_t column) const {
    alignas(64) float buffers[3][kChunk];
    alignas(64) float result[kChunk];
    Piece piece{std::min(piece_rows, rows.size - row),
                std::min(piece_columns, columns.size - column), 0, 0};
    const std::int64_t at = (matrix * rows.size + row) * columns.size + column;
    Chunk chunk{};
    chunk.count = piece.rows * piece.columns;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      piece.row_stride = rows.stride[k];
      piece.column_stride = columns.stride[k];
      chunk.in[k] =
          read(inputs[k],
               offset_at(outer, k, matrix) + row * piece.row_stride + column * piece.column_stride,
               piece, buffers[k]);
    }
    chunk.bits = reinterpret_cast<const std::uint8_t*>(bits == nullptr ? nullptr : bits + at / 8);
    chunk.mask = reinterpret_cast<std::uint8_t*>(mask == nullptr ? nullptr : mask + at / 8);
    chunk.out = store == nullptr ? reinterpret_cast<float*>(out.data) + at : result;
    compute.run(compute.parameters.data(), chunk);
    if (store != nullptr) {
      store(reinterpret_cast<const std::byte*>(result),
            out.data + at * (bits_of(out.type.form.dtype) / 8), chunk.count, 1.0F);
    }
  }

  static const float* read(const Input& input, std::int64_t offset, const Piece& piece,
                           float* buffer) {
    const std::byte* from = input.view.data + offset * input.element_bytes;
    const bool contiguous = (piece.column_stride == 1 || piece.columns == 1) &&
                            (piece.rows == 1 || piece.row_stride == piece.columns);
    if (!contiguous) {
      input.gather(from, piece, buffer, input.factor());
      return buffer;
    }
    if (input.load == nullptr) return reinterpret_cast<const float*>(from);
    input.load(from, reinterpret_cast<std::byte*>(buffer), piece.rows * piece.columns,
               input.factor());
    return buffer;
  }
};

Input input_of(const TensorView& view) {
  const DType dtype = view.type.form.dtype;
  if (dtype == DType::BOOL) return {view, 1, load_truth, gather_truth};
  return {view, bits_of(dtype) / 8, dtype == DType::F32 ? nullptr : convert_of(dtype, DType::F32),
          with_storage(dtype, []<class T>(T) -> Gather { return gather<T>; })};
}

/// Whether nothing of a chunk is copied, so that it may be as large as a block.
bool in_place(const MapViews& views, const std::vector<Dim>& dims) {
  bool all = views.out.type.form.dtype == DType::F32 && dims.size() == 1;
  for (std::size_t k = 0; k < views.inputs.size(); ++k) {
    all = all && views.inputs[k].type.form.dtype == DType::F32 && dims[0].stride[k] == 1;
  }
  return all;
}

}  // namespace

bool maps(const KernelCall& call, std::size_t floats, bool flat) {
  if (call.inputs.size() < floats || call.outputs.empty()) return false;
  const TensorType& out = call.outputs[0];
  if (!is_carrier(out.form.dtype)) return false;
  for (std::size_t k = 0; k < floats; ++k) {
    const TensorType& in = call.inputs[k];
    if (!has_storage(in.form.dtype)) return false;
    const bool fits = flat ? in.shape == out.shape && in.form.layout == out.form.layout
                           : broadcasts(in.shape, out.shape);
    if (!fits) return false;
  }
  return true;
}

BoundKernel map_kernel(Compute compute, const MapViews& views) {
  std::vector<Dim> dims = broadcast_dims(views.inputs, views.out.type);
  const std::int64_t chunk = in_place(views, dims) ? kBlock : kChunk;
  const DType to = views.out.type.form.dtype;
  Map map{.compute = compute,
          .inputs = {},
          .out = views.out,
          .bits = views.bits,
          .mask = views.mask,
          .store = to == DType::BOOL  ? store_truth
                   : to == DType::F32 ? nullptr
                                      : convert_of(DType::F32, to),
          .outer = {},
          .rows = {},
          .columns = dims.back(),
          .piece_rows = 1,
          .piece_columns = chunk};
  for (const TensorView& input : views.inputs) map.inputs.push_back(input_of(input));
  dims.pop_back();
  if (!dims.empty()) {
    map.rows = dims.back();
    dims.pop_back();
  }
  map.outer = std::move(dims);
  if (map.columns.size < chunk) {
    map.piece_columns = std::max<std::int64_t>(1, map.columns.size);
    map.piece_rows = std::min(std::max<std::int64_t>(1, map.rows.size), chunk / map.piece_columns);
  }
  return bound(std::move(map));
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
