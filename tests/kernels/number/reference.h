// Number formats from their definition, in FP64: the reference that conversions are held to. Shares
// no arithmetic with kernels/number.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/number/convert.h"

namespace mpsearch::reference {

/// A small binary format. `max_code` is the largest finite code; `inf` and `nan` are codes.
struct Format {
  int bits, mantissa, bias;
  std::uint32_t max_code, above, nan;
  bool has_inf;
};

template <class T>
constexpr Format format_of();
template <>
constexpr Format format_of<BF16>() {
  return {16, 7, 127, 0x7F7F, 0x7F80, 0x7FFF, true};
}
template <>
constexpr Format format_of<F16>() {
  return {16, 10, 15, 0x7BFF, 0x7C00, 0x7FFF, true};
}
template <>
constexpr Format format_of<F8E4M3>() {
  return {8, 3, 7, 0x7E, 0x7E, 0x7F, false};
}
template <>
constexpr Format format_of<F8E5M2>() {
  return {8, 2, 15, 0x7B, 0x7B, 0x7F, true};
}

/// The value of a code.
inline double decode(const Format& f, std::uint32_t code) {
  const std::uint32_t sign = code >> (f.bits - 1);
  const std::uint32_t magnitude = code & ((1u << (f.bits - 1)) - 1);
  const auto exponent = static_cast<int>(magnitude >> f.mantissa);
  const double fraction = magnitude & ((1u << f.mantissa) - 1);
  double value = exponent == 0 ? std::ldexp(fraction, 1 - f.bias - f.mantissa)
                               : std::ldexp(fraction + std::ldexp(1.0, f.mantissa),
                                            exponent - f.bias - f.mantissa);
  if (magnitude > f.max_code) {
    const bool inf = f.has_inf && magnitude == f.max_code + 1;
    value =
        inf ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return sign != 0 ? -value : value;
}

/// The code nearest to x, ties to even; `above` (Inf, or the largest finite code of a saturating
/// cast) beyond the range; NaN has no sign.
inline std::uint32_t encode(const Format& f, double x) {
  if (std::isnan(x)) return f.nan;
  const std::uint32_t sign = std::signbit(x) ? 1u << (f.bits - 1) : 0u;
  const double magnitude = std::fabs(x);
  if (std::isinf(x)) return sign | f.above;
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude = [0.5, 1) 2^exponent
  const int unit = std::max(exponent - 1, 1 - f.bias) - f.mantissa;
  const double steps = std::nearbyint(std::ldexp(magnitude, -unit));
  const double rounded = std::ldexp(steps, unit);
  if (rounded > decode(f, f.max_code)) return sign | f.above;
  // Codes count upwards with the magnitude, 2^mantissa of them an octave.
  const int octave = unit + f.mantissa - (1 - f.bias);
  return sign |
         (static_cast<std::uint32_t>(octave << f.mantissa) + static_cast<std::uint32_t>(steps));
}

/// FP32 values that try a format: a third any bit pattern (NaN, Inf and FP32 subnormals too), a
/// third of magnitudes within the format's range (its subnormals too), and a third at or one FP32
/// step beside the midpoint of two neighbouring codes.
class Values {
 public:
  explicit Values(const Format& format) : format_(format) {}

  float next() {
    const auto word = static_cast<std::uint32_t>(random_());
    const auto extra = static_cast<std::uint32_t>(random_() >> 32);
    const std::uint32_t kind = extra % 3;
    if (kind == 0) return __builtin_bit_cast(float, word);
    const int lowest = 1 - format_.bias - format_.mantissa - 2;
    const int highest = static_cast<int>(format_.max_code >> format_.mantissa) - format_.bias + 2;
    if (kind == 1) {
      const int span = highest - lowest + 1;
      const int exponent = lowest + static_cast<int>((extra >> 8) % static_cast<unsigned>(span));
      const double fraction = 1.0 + (word & 0x7FFFFFu) * 0x1p-23;
      const auto value = static_cast<float>(std::ldexp(fraction, exponent));
      return (word >> 31) != 0 ? -value : value;
    }
    const std::uint32_t code = word % (format_.max_code + 1);
    const double middle =
        (decode(format_, code) + decode(format_, std::min(code + 1, format_.max_code))) / 2;
    auto bits = __builtin_bit_cast(std::uint32_t, static_cast<float>(middle));
    bits += (extra >> 8) % 3;
    if (bits != 0) bits -= 1;
    return __builtin_bit_cast(float, bits | (word & 0x80000000u));
  }

 private:
  Format format_;
  std::mt19937_64 random_{20240607};
};

}  // namespace mpsearch::reference
