// Everything that the project asks of oneDNN: onednn.cpp alone includes it, so that another version
// of the library is a change of one file. Used by the matrix products of kernels/cpu.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/tensor.h"

namespace mpsearch::cpu::onednn {

/// "2.6.3", of the library in use.
std::string version();

/// Transposed: as GradInput, with a bias (ONNX's ConvTranspose).
enum class Pass { Forward, GradInput, GradWeight, Transposed };

/// A convolution of one to three spatial dimensions, or one of its gradients. x and y share
/// `layout`; w is [M, C/group, kernel...], row-major.
struct Convolution {
  Pass pass = Pass::Forward;
  Shape x, w, y;
  std::int64_t group = 1;
  Shape strides, pads, dilations;  // pads: all begins, then all ends
  Layout layout = Layout::ChannelsLast;
  DType operand = DType::F32;  // of both inputs: F32 or BF16
  DType result = DType::F32;   // F32 or BF16
  bool bias = false;           // F32, one a channel of the result; Forward and Transposed
};

/// result = a b, of equal rank >= 2; batch dimensions broadcast. Shapes are those in memory; a
/// transposed operand has its last two dimensions swapped before it is multiplied.
struct Product {
  Shape a, b, result_shape;
  bool transpose_a = false, transpose_b = false;
  DType operand = DType::F32;
  DType result = DType::F32;
  bool bias = false;  // F32 [N]
  bool add = false;   // adds to the result (F32) instead of replacing it
};

/// A primitive that is planned for the calling thread's number of OpenMP threads, not yet compiled.
class Operation {
 public:
  struct Plan;
  explicit Operation(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)) {}

  std::int64_t scratchpad_bytes() const;
  /// Of the weights, or of their gradient, in the format that the primitive works in.
  std::int64_t weights_bytes() const;
  /// Whether that format is the plain row-major one.
  bool plain_weights() const;
  const Plan& plan() const { return *plan_; }

 private:
  std::shared_ptr<const Plan> plan_;
};

/// Empty where the library has no such primitive, or for BF16 only its slow reference.
std::optional<Operation> plan(const Convolution& convolution);
std::optional<Operation> plan(const Product& product);

/// Plain weights into the format that `convolution` works in, and that format's gradient into
/// plain. Empty where the library cannot.
std::optional<Operation> plan_packing(const Operation& convolution);
std::optional<Operation> plan_unpacking(const Operation& convolution);

/// Where an operation's tensors lie: the two operands in the order of the op's inputs (the first
/// alone for packing and unpacking), the result, and what the operation may need besides.
struct Addresses {
  const std::byte* first = nullptr;
  const std::byte* second = nullptr;
  const std::byte* bias = nullptr;
  std::byte* result = nullptr;
  std::byte* scratchpad = nullptr;
};

/// Compiles the operation once and binds it to every set of addresses.
std::vector<std::function<void()>> compile(const Operation& operation,
                                           std::span<const Addresses> addresses);

}  // namespace mpsearch::cpu::onednn
