// A kernel as a list of stages, built when it is bound: conversions of operands into scratch,
// oneDNN primitives, rounding of results. Used by the matrix products.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "kernels/cpu/level.h"
#include "kernels/cpu/onednn.h"

namespace mpsearch::cpu {

/// Hands out pieces of a workspace: offsets, aligned to 64 bytes.
class WorkspaceLayout {
 public:
  std::int64_t add(std::int64_t bytes) {
    const std::int64_t offset = bytes_;
    bytes_ += (bytes + 63) / 64 * 64;
    return offset;
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  std::int64_t bytes_ = 0;
};

/// Every stage runs on the OpenMP threads that oneDNN uses: between two primitives they are awake,
/// and no second pool competes with them for the cores.
class Stages {
 public:
  void operator()() const {
    for (const std::function<void()>& stage : stages_) stage();
  }

  void add(std::function<void()> stage) { stages_.push_back(std::move(stage)); }

  /// The `count` elements of `from` that begin with element `first` in memory, as `dtype` and times
  /// its scale, into `to`.
  void decode(const TensorView& from, std::int64_t first, std::int64_t count, DType dtype,
              std::byte* to);

  /// `samples` samples of `from` that begin with `first`, as `form`: dtype and layout.
  void decode_samples(const TensorView& from, std::int64_t first, std::int64_t samples, Form form,
                      std::byte* to);

  /// The reverse of decode_samples: F32 results in `layout`, rounded once.
  void encode_samples(const float* from, Layout layout, const TensorView& to, std::int64_t first,
                      std::int64_t samples);

  /// `rows` rows of results from F32 sums. epilogue.bias_rows must live as long: keep().
  void finish(const Epilogue& epilogue, const float* sum, DType dtype, std::byte* to,
              std::int64_t first_row, std::int64_t rows);

  /// to += from.
  void accumulate(const float* from, float* to, std::int64_t count);

  void fill_zero(std::byte* at, std::int64_t bytes);

  /// Keeps what a stage points to for as long as the kernel lives.
  void keep(std::shared_ptr<const void> data) { kept_.push_back(std::move(data)); }

 private:
  std::vector<std::function<void()>> stages_;
  std::vector<std::shared_ptr<const void>> kept_;
};

/// The number of parts, and the size of each, when `count` items of `bytes` decoded bytes each are
/// worked on part by part: small enough that a part stays in the second-level caches of `threads`
/// cores, but not below `least` items. Parts may overlap: part i begins at first(i).
struct Slices {
  std::int64_t count, size, number;

  static Slices of(std::int64_t count, std::int64_t bytes, std::int64_t least, int threads);

  std::int64_t first(std::int64_t index) const {
    return index + 1 < number ? index * size : count - size;
  }
  /// Items at the beginning of a part that the part before has done already.
  std::int64_t overlap(std::int64_t index) const { return index * size - first(index); }
};

/// Threads that oneDNN and the stages use.
int threads_in_use();

}  // namespace mpsearch::cpu
