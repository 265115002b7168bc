#include "runtime/dataset_array.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <set>
#include <utility>

#include "kernels/error.h"
#include "runtime/shuffle.h"

namespace mpsearch {
namespace {

[[noreturn]] void refuse(ErrorKind kind, std::string what, std::string at, std::string why,
                         std::string try_ = {}) {
  throw Error(kind, {.what = std::move(what),
                     .at = std::move(at),
                     .why = std::move(why),
                     .try_ = std::move(try_)});
}

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::int64_t load_integer(DType dtype, const std::byte* data, std::size_t element) {
  if (dtype == DType::U8) return static_cast<std::int64_t>(data[element]);
  if (dtype == DType::I32) return load<std::int32_t>(data + element * 4);
  return load<std::int64_t>(data + element * 8);
}

/// Offsets at which a dimension ends, counted in elements from the innermost side.
std::set<std::int64_t> cuts_of(const Shape& shape) {
  std::set<std::int64_t> cuts;
  std::int64_t product = 1;
  for (auto dim = shape.rbegin(); dim != shape.rend(); ++dim) cuts.insert(product *= *dim);
  cuts.insert(1);
  return cuts;
}

/// True where one shape comes from the other by merging neighbours (and dimensions of size 1):
/// [28, 28] to [1, 28, 28] or [784], but not [32, 32, 3] to [3, 32, 32], which is a transpose.
bool only_merges_or_splits(const Shape& a, const Shape& b) {
  const std::set<std::int64_t> first = cuts_of(a), second = cuts_of(b);
  return std::ranges::includes(first, second) || std::ranges::includes(second, first);
}

std::uint64_t counter_bits(const SyntheticValues& values, std::int64_t sample, std::size_t group) {
  return mix_bits(mix_bits(values.key ^ static_cast<std::uint64_t>(sample)) + group);
}

constexpr std::size_t kNormals = 1 << 16;

/// Draws of a standard normal (Box and Muller 1958), scaled to mean 0 and variance 1 exactly. A
/// synthetic float is one of them, picked by 16 random bits: fast enough to stay out of timings.
const std::vector<float>& normal_draws() {
  static const std::vector<float> draws = [] {
    std::vector<double> exact(kNormals);
    double sum = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < kNormals; ++i) {
      const std::uint64_t bits = mix_bits(i);
      const double u = (static_cast<double>(bits >> 32) + 0.5) * 0x1p-32;
      const double v = static_cast<double>(bits & 0xFFFFFFFFU) * 0x1p-32;
      exact[i] = std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
      sum += exact[i];
      squares += exact[i] * exact[i];
    }
    const double mean = sum / kNormals;
    const double deviation = std::sqrt(squares / kNormals - mean * mean);
    std::vector<float> result(kNormals);
    std::ranges::transform(exact, result.begin(),
                           [&](double x) { return static_cast<float>((x - mean) / deviation); });
    return result;
  }();
  return draws;
}

void synthetic_floats(const SyntheticValues& values, std::int64_t sample, std::span<float> out) {
  const std::vector<float>& draws = normal_draws();
  for (std::size_t i = 0; i < out.size(); i += 4) {
    std::uint64_t bits = counter_bits(values, sample, i / 4);
    for (std::size_t j = i; j < std::min(i + 4, out.size()); ++j, bits >>= 16) {
      out[j] = draws[bits & (kNormals - 1)];
    }
  }
}

std::int64_t synthetic_integer(const SyntheticValues& values, std::int64_t sample, std::size_t i) {
  if (values.below == 0) return (sample + static_cast<std::int64_t>(i)) % 2;
  return static_cast<std::int64_t>(counter_bits(values, sample, i) %
                                   static_cast<std::uint64_t>(values.below));
}

}  // namespace

DataArray::DataArray(std::string origin, DType dtype, std::int64_t samples, Shape sample_shape,
                     std::variant<StoredValues, SyntheticValues> values)
    : origin_(std::move(origin)),
      dtype_(dtype),
      samples_(samples),
      sample_shape_(std::move(sample_shape)),
      values_(std::move(values)) {
  assert(dtype_ == DType::U8 || dtype_ == DType::I32 || dtype_ == DType::I64 ||
         dtype_ == DType::F32);
  if (samples_ <= 0 || elements() == 0) {
    refuse(ErrorKind::BadContent, "the data set is empty", origin_,
           fmt::format("{} samples of shape {}", samples_, to_string(sample_shape_)));
  }
  if (const auto* stored = std::get_if<StoredValues>(&values_)) {
    const std::size_t size = stored->bytes.size();
    require(stored->offset + (static_cast<std::size_t>(samples_) - 1) * stored->stride +
                    sample_bytes() <=
                size,
            ErrorKind::Internal, "a data array reaches beyond its bytes");
  }
  require_finite();
}

const std::byte* DataArray::stored_sample(const StoredValues& values, std::int64_t sample) const {
  return values.bytes.view().data() + values.offset +
         static_cast<std::size_t>(sample) * values.stride;
}

void DataArray::require_finite() const {
  const auto* stored = std::get_if<StoredValues>(&values_);
  if (dtype_ != DType::F32 || stored == nullptr) return;
  const std::size_t count = elements();
  for (std::int64_t sample = 0; sample < samples_; ++sample) {
    const std::byte* data = stored_sample(*stored, sample);
    for (std::size_t i = 0; i < count; ++i) {
      const float value = load<float>(data + i * 4);
      if (std::isfinite(value)) continue;
      refuse(ErrorKind::BadContent, "the data hold a number that is not finite", origin_,
             fmt::format("record {}, element {}: {}", sample, i, value),
             "remove or replace the NaN and infinite entries");
    }
  }
}

void DataArray::reshape(const Shape& wanted, const std::string& user) {
  const bool open = std::ranges::any_of(wanted, [](std::int64_t dim) { return dim < 0; });
  Shape padded = sample_shape_;
  if (open && padded.size() < wanted.size())
    padded.insert(padded.begin(), wanted.size() - padded.size(), 1);
  bool fits = false;
  if (open) {
    fits = wanted.size() == padded.size();
    for (std::size_t i = 0; fits && i < wanted.size(); ++i) {
      fits = wanted[i] < 0 || wanted[i] == padded[i];
    }
  } else {
    fits = elements_of(wanted) == elements_of(sample_shape_);
  }
  if (!fits) {
    refuse(ErrorKind::BadContent, "the data do not fit " + user, origin_,
           fmt::format("got {} a sample, expected {}", to_string(sample_shape_), to_string(wanted)),
           "mpsearch inspect shows the shapes of the model");
  }
  if (open) {
    sample_shape_ = std::move(padded);
    return;
  }
  if (!only_merges_or_splits(wanted, sample_shape_)) {
    refuse(ErrorKind::BadContent, "the data do not fit " + user, origin_,
           fmt::format("got {} a sample, expected {}: as many numbers, but in another order",
                       to_string(sample_shape_), to_string(wanted)),
           "transpose the array (images are channels first: [channels, height, width])");
  }
  sample_shape_ = wanted;
}

std::size_t DataArray::channel_elements() const {
  const std::size_t channels = std::max<std::size_t>(1, normalization_.mean.size());
  return channels == 1 ? elements() : elements() / channels;
}

void DataArray::normalize(Normalization normalization) {
  const auto first =
      sample_shape_.empty() ? std::size_t{1} : static_cast<std::size_t>(sample_shape_.front());
  const std::size_t means = normalization.mean.size(), stds = normalization.std.size();
  if (means != stds && means > 0 && stds > 0) {
    refuse(ErrorKind::Usage, "--mean and --std differ in length", {},
           fmt::format("{} means, {} standard deviations", means, stds));
  }
  for (const std::size_t count : {means, stds}) {
    if (count <= 1 || count == first) continue;
    refuse(ErrorKind::Usage, "--mean and --std do not fit the data", origin_,
           fmt::format("got {} values, a sample {} has {} channels", count,
                       to_string(sample_shape_), first),
           "give one value, or one for each channel");
  }
  for (const float value : normalization.mean) {
    require(std::isfinite(value), ErrorKind::Usage, "--mean must be finite");
  }
  for (const float value : normalization.std) {
    require(std::isfinite(value) && value > 0, ErrorKind::Usage, "--std must be positive");
  }
  normalization.mean.resize(std::max(means, stds), 0.0F);
  normalization.std.resize(std::max(means, stds), 1.0F);
  normalization_ = std::move(normalization);
  u8_to_float_.assign(std::max<std::size_t>(1, normalization_.mean.size()), {});
  for (std::size_t channel = 0; channel < u8_to_float_.size(); ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      float value = static_cast<float>(byte);
      if (normalization_.divide_by_255) value /= 255.0F;
      if (!normalization_.mean.empty()) {
        value = (value - normalization_.mean[channel]) / normalization_.std[channel];
      }
      u8_to_float_[channel][static_cast<std::size_t>(byte)] = value;
    }
  }
}

std::int64_t DataArray::count_below(std::int64_t below, std::optional<std::int64_t> ignored,
                                    const std::string& whose) const {
  const auto* stored = std::get_if<StoredValues>(&values_);
  if (stored == nullptr) {
    require(std::get<SyntheticValues>(values_).below <= below, ErrorKind::Internal,
            "synthetic integers exceed the model's range");
    return samples_;
  }
  require(dtype_ != DType::F32, ErrorKind::Internal, "a range was asked of floats");
  const std::size_t count = elements();
  std::int64_t counted = 0;
  for (std::int64_t sample = 0; sample < samples_; ++sample) {
    const std::byte* data = stored_sample(*stored, sample);
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t value = load_integer(dtype_, data, i);
      const bool inside = value >= 0 && value < below;
      counted += inside ? 1 : 0;
      if (inside || value == ignored) continue;
      refuse(ErrorKind::BadContent, fmt::format("value {} is out of range 0..{}", value, below - 1),
             fmt::format("{}, record {}{}", origin_, sample,
                         count > 1 ? fmt::format(", element {}", i) : ""),
             whose,
             fmt::format("integers from 0 to {}{}", below - 1,
                         ignored ? fmt::format("; {} marks a target to leave out", *ignored) : ""));
    }
  }
  return counted;
}

void DataArray::require_below(std::int64_t below, const std::string& whose) const {
  count_below(below, std::nullopt, whose);
}

void DataArray::require_labels_below(std::int64_t below, const std::string& whose) const {
  if (count_below(below, kIgnoredLabel, whose) > 0) return;
  refuse(ErrorKind::BadContent, fmt::format("every label is {}, which is ignored", kIgnoredLabel),
         origin_, whose);
}

void DataArray::require_probabilities(const std::string& whose) const {
  const auto* stored = std::get_if<StoredValues>(&values_);
  if (stored == nullptr) return;
  if (dtype_ != DType::F32) return require_below(2, whose + " takes 0 and 1");
  const std::size_t count = elements();
  for (std::int64_t sample = 0; sample < samples_; ++sample) {
    const std::byte* data = stored_sample(*stored, sample);
    for (std::size_t i = 0; i < count; ++i) {
      const float value = load<float>(data + i * 4);
      if (value >= 0 && value <= 1) continue;
      refuse(ErrorKind::BadContent, fmt::format("value {} is out of range 0..1", value),
             fmt::format("{}, record {}{}", origin_, sample,
                         count > 1 ? fmt::format(", element {}", i) : ""),
             whose + " takes probabilities");
    }
  }
}

void DataArray::require_writable_as(DType wanted, const std::string& user) const {
  const bool integers = wanted == DType::I32 || wanted == DType::I64;
  if (wanted == DType::F32 || (integers && dtype_ != DType::F32)) return;
  refuse(ErrorKind::BadContent, "the data do not fit " + user, origin_,
         fmt::format("got {} numbers, expected {}", name_of(dtype_), name_of(wanted)),
         integers ? "store the array as integers" : "");
}

void DataArray::write_floats(std::int64_t sample, float* out) const {
  const std::size_t count = elements();
  if (const auto* synthetic = std::get_if<SyntheticValues>(&values_)) {
    if (dtype_ == DType::F32) return synthetic_floats(*synthetic, sample, {out, count});
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = static_cast<float>(synthetic_integer(*synthetic, sample, i));
    }
    return;
  }
  const std::byte* data = stored_sample(std::get<StoredValues>(values_), sample);
  const std::size_t per_channel = channel_elements();
  if (dtype_ == DType::U8 && !u8_to_float_.empty()) {
    std::size_t i = 0;
    for (const std::array<float, 256>& table : u8_to_float_) {
      for (const std::size_t end = i + per_channel; i < end; ++i) {
        out[i] = table[static_cast<std::size_t>(data[i])];
      }
    }
    return;
  }
  if (dtype_ == DType::F32) {
    std::memcpy(out, data, count * sizeof(float));
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = static_cast<float>(load_integer(dtype_, data, i));
    }
  }
  for (std::size_t channel = 0; channel < normalization_.mean.size(); ++channel) {
    const float mean = normalization_.mean[channel], std = normalization_.std[channel];
    float* values = out + channel * per_channel;
    for (std::size_t i = 0; i < per_channel; ++i) values[i] = (values[i] - mean) / std;
  }
}

template <typename Integer>
void DataArray::write_integers(std::int64_t sample, Integer* out) const {
  const auto* synthetic = std::get_if<SyntheticValues>(&values_);
  const auto* stored = std::get_if<StoredValues>(&values_);
  const std::byte* data = stored != nullptr ? stored_sample(*stored, sample) : nullptr;
  const std::size_t count = elements();
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t value = synthetic != nullptr ? synthetic_integer(*synthetic, sample, i)
                                                    : load_integer(dtype_, data, i);
    if (!std::in_range<Integer>(value)) {
      refuse(ErrorKind::BadContent, fmt::format("value {} does not fit 32 bits", value),
             fmt::format("{}, record {}", origin_, sample), {});
    }
    out[i] = static_cast<Integer>(value);
  }
}

void DataArray::write(std::span<const std::int64_t> samples, DType wanted, std::byte* out) const {
  const auto bytes = static_cast<std::size_t>(bytes_of(wanted, elements_of(sample_shape_)));
  for (const std::int64_t sample : samples) {
    assert(sample >= 0 && sample < samples_);
    switch (wanted) {
      case DType::F32:
        write_floats(sample, reinterpret_cast<float*>(out));
        break;
      case DType::I32:
        write_integers(sample, reinterpret_cast<std::int32_t*>(out));
        break;
      case DType::I64:
        write_integers(sample, reinterpret_cast<std::int64_t*>(out));
        break;
      default:
        require(false, ErrorKind::Internal, "data are written as F32, I32 or I64 only");
    }
    out += bytes;
  }
}

std::uint64_t DataArray::hash(std::uint64_t seed) const {
  const std::string type =
      fmt::format("{} {} {}", name_of(dtype_), samples_, to_string(sample_shape_));
  std::uint64_t hash = XXH3_64bits_withSeed(type.data(), type.size(), seed);
  if (const auto* synthetic = std::get_if<SyntheticValues>(&values_)) {
    return mix_bits(mix_bits(hash ^ synthetic->key) + static_cast<std::uint64_t>(synthetic->below));
  }
  const auto& stored = std::get<StoredValues>(values_);
  if (const std::span<const std::byte> packed = stored.bytes.packed(); !packed.empty()) {
    return XXH3_64bits_withSeed(packed.data(), packed.size(), hash);
  }
  if (stored.stride == sample_bytes()) {
    return XXH3_64bits_withSeed(stored_sample(stored, 0),
                                stored.stride * static_cast<std::size_t>(samples_), hash);
  }
  for (std::int64_t sample = 0; sample < samples_; ++sample) {
    hash = XXH3_64bits_withSeed(stored_sample(stored, sample), sample_bytes(), hash);
  }
  return hash;
}

}  // namespace mpsearch
