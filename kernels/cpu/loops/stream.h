// Pieces of a tensor as F32, whatever its storage: what row kernels read from and write to. Used by
// the norms and folds of this folder.
#pragma once

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// Reads elements in memory order.
struct Reader {
  TensorView view;
  Convert load = nullptr;  // null: F32, read in place
  std::int64_t bytes = 4;

  explicit Reader(const TensorView& of)
      : view(of),
        load(of.type.form.dtype == DType::F32 ? nullptr
                                              : convert_of(of.type.form.dtype, DType::F32)),
        bytes(bits_of(of.type.form.dtype) / 8) {}

  /// `count` elements from `offset` on: the tensor itself or `buffer`.
  const float* operator()(std::int64_t offset, std::int64_t count, float* buffer) const {
    const std::byte* from = view.data + offset * bytes;
    if (load == nullptr) return reinterpret_cast<const float*>(from);
    load(from, reinterpret_cast<std::byte*>(buffer), count,
         view.scale != nullptr ? *view.scale : 1.0F);
    return buffer;
  }
};

/// Writes elements in memory order: to place(), then done() with the same arguments.
struct Writer {
  TensorView view;
  Convert store = nullptr;  // null: F32, written in place
  std::int64_t bytes = 4;

  explicit Writer(const TensorView& of)
      : view(of),
        store(of.type.form.dtype == DType::F32 ? nullptr
                                               : convert_of(DType::F32, of.type.form.dtype)),
        bytes(bits_of(of.type.form.dtype) / 8) {}

  float* place(std::int64_t offset, float* buffer) const {
    return store == nullptr ? reinterpret_cast<float*>(view.data) + offset : buffer;
  }
  void done(std::int64_t offset, std::int64_t count, const float* buffer) const {
    if (store == nullptr) return;
    store(reinterpret_cast<const std::byte*>(buffer), view.data + offset * bytes, count, 1.0F);
  }
};

inline const float* floats(const TensorView& view) {
  return reinterpret_cast<const float*>(view.data);
}

/// Whether a Reader can read `in` and a Writer write `out`.
inline bool streams(const TensorType& in, const TensorType& out) {
  return has_storage(in.form.dtype) && is_carrier(out.form.dtype);
}

inline bool is_f32(const TensorType& type) { return type.form.dtype == DType::F32; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
