// Precision is what the search chooses for a layer; LayerFormats is what that means in storage.
// formats_of is the only mapping between the two (numerics.md, section 1).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/number/dtype.h"

namespace mpsearch {

enum class Precision : std::uint8_t { FP32, BF16, FP16, FP8 };

inline constexpr std::array<Precision, 4> kPrecisions{Precision::FP32, Precision::BF16,
                                                      Precision::FP16, Precision::FP8};

/// Storage of a layer's tensors. FP8 tensors carry a scale; everything accumulates in FP32.
struct LayerFormats {
  DType operand;           // inputs and weights of matrix products, forward and saved for backward
  DType carrier;           // activations between ops
  DType saved;             // activations that other ops read again in backward
  DType gradient_operand;  // dY of matrix products
  DType gradient;          // gradients of activations between ops
};

LayerFormats formats_of(Precision precision);

/// "FP32", "BF16", "FP16", "FP8".
std::string_view name_of(Precision precision);

/// Reads a name in any case; empty where it is none.
std::optional<Precision> precision_from(std::string_view name);

}  // namespace mpsearch
