// One array of a data set: equal samples in a mapped file, in memory, or made up from counters, and
// how they are handed out. Used by the trainer through runtime/dataset.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "kernels/tensor.h"
#include "runtime/dataset_bytes.h"

namespace mpsearch {

/// A label that the loss and the accuracy leave out, as PyTorch's ignore_index.
inline constexpr std::int64_t kIgnoredLabel = -100;

/// Values as they lie in a file: sample i begins at `offset + i * stride`, elements are contiguous
/// there and in the machine's byte order. dtype is U8, I32, I64 or F32.
struct StoredValues {
  FileBytes bytes;
  std::size_t offset = 0;
  std::size_t stride = 0;
};

/// Values computed from (key, sample, element): standard normal floats, or integers in [0, below);
/// below 0: alternating 0 and 1, so that whichever a mask means to keep, each row keeps something.
struct SyntheticValues {
  std::uint64_t key = 0;
  std::int64_t below = 1;
};

/// What is done to numbers that become F32: u8 / 255, then (x - mean) / std per channel. Empty mean
/// and std: nothing; one entry: the same for all; otherwise one for each index of the sample's
/// first dimension.
struct Normalization {
  bool divide_by_255 = false;
  std::vector<float> mean;
  std::vector<float> std;
  bool operator==(const Normalization&) const = default;
};

class DataArray {
 public:
  /// `origin` names file and member in errors; `values` hold samples * elements of `dtype`.
  DataArray(std::string origin, DType dtype, std::int64_t samples, Shape sample_shape,
            std::variant<StoredValues, SyntheticValues> values);

  const std::string& origin() const { return origin_; }
  DType dtype() const { return dtype_; }
  std::int64_t samples() const { return samples_; }
  /// Shape of one sample, without the batch dimension.
  const Shape& sample_shape() const { return sample_shape_; }
  const Normalization& normalization() const { return normalization_; }

  /// Offers the samples in another shape, where only dimensions are merged, split, or of size 1;
  /// -1 in `wanted` stands for any size. Throws BadContent naming `user` (the model's input).
  void reshape(const Shape& wanted, const std::string& user);

  /// Applies to later writes as F32. Throws Usage where the counts do not fit the first dimension.
  void normalize(Normalization normalization);

  /// Throws BadContent with file, record and value unless each integer is in [0, below);
  /// `whose` says what sets the limit, e.g. "the model has 10 classes (output logits)".
  void require_below(std::int64_t below, const std::string& whose) const;

  /// The same for class labels, which may also be kIgnoredLabel, but not all of them.
  void require_labels_below(std::int64_t below, const std::string& whose) const;

  /// Throws BadContent with file, record and value unless each number is in [0, 1].
  void require_probabilities(const std::string& whose) const;

  /// Throws BadContent unless `write` can give `wanted`: F32 from all, I32 and I64 from integers.
  void require_writable_as(DType wanted, const std::string& user) const;

  /// Writes the chosen samples one after the other into `out`, which holds samples.size() *
  /// elements of `wanted` (F32, I32, I64). Row-major.
  void write(std::span<const std::int64_t> samples, DType wanted, std::byte* out) const;

  /// Folds dtype, shape and values into a running 64-bit hash.
  std::uint64_t hash(std::uint64_t seed) const;

 private:
  std::size_t elements() const { return static_cast<std::size_t>(elements_of(sample_shape_)); }
  std::size_t sample_bytes() const { return elements() * (bits_of(dtype_) / 8); }
  const std::byte* stored_sample(const StoredValues& values, std::int64_t sample) const;
  std::size_t channel_elements() const;
  void require_finite() const;
  /// Integers in [0, below); throws for others that are not `ignored`.
  std::int64_t count_below(std::int64_t below, std::optional<std::int64_t> ignored,
                           const std::string& whose) const;
  void write_floats(std::int64_t sample, float* out) const;
  template <typename Integer>
  void write_integers(std::int64_t sample, Integer* out) const;

  std::string origin_;
  DType dtype_;
  std::int64_t samples_;
  Shape sample_shape_;
  std::variant<StoredValues, SyntheticValues> values_;
  Normalization normalization_;
  std::vector<std::array<float, 256>> u8_to_float_;  // one table a channel
};

}  // namespace mpsearch
