#include "models/precision.h"

#include <algorithm>
#include <cctype>

namespace mpsearch {

LayerFormats formats_of(Precision precision) {
  using enum DType;
  switch (precision) {
    case Precision::FP32:
      return {F32, F32, F32, F32, F32};
    case Precision::BF16:
      return {BF16, BF16, BF16, BF16, BF16};
    case Precision::FP16:
      return {F16, F16, F16, F16, F16};
    case Precision::FP8:
      return {F8E4M3, BF16, F8E4M3, F8E5M2, BF16};
  }
  return {};
}

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::FP32:
      return "FP32";
    case Precision::BF16:
      return "BF16";
    case Precision::FP16:
      return "FP16";
    case Precision::FP8:
      return "FP8";
  }
  return "?";
}

std::optional<Precision> precision_from(std::string_view name) {
  for (const Precision precision : kPrecisions) {
    if (std::ranges::equal(name, name_of(precision), {},
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); })) {
      return precision;
    }
  }
  return std::nullopt;
}

}  // namespace mpsearch
