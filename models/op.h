// OpDef: everything that the project knows of one operator, beside its kernels. models/ops holds
// one family a file; ops.cpp is the one explicit list.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/attributes.h"
#include "kernels/tensor.h"

namespace mpsearch {

class GradientBuilder;
struct Node;

/// How an input or output follows the precision of its layer.
enum class Role : std::uint8_t {
  Operand,  // of a matrix product: LayerFormats::operand, a gradient: gradient_operand
  Carrier,  // an activation: carrier; read again in backward: saved; a gradient: gradient
  F32,      // always F32: biases, norm parameters, statistics, weight gradients, losses
  Own,      // as the shape rule says: masks, indices, integers, state
};

/// Order in memory of the tensors that have the rank of a call's image (its first operand).
enum class LayoutRule : std::uint8_t {
  Follow,    // ChannelsLast where an input of that rank is
  Image,     // ChannelsLast from rank 4 on: convolutions, pools, batch norms
  RowMajor,  // always: matrix products, transposes, row operations
};

/// One call to test an operator with: attributes and the shapes (and integer ranges) of its inputs.
struct OpSample {
  std::string name;  // "k3s2"
  Attributes attributes;
  std::vector<TensorType> inputs;
  double low = -2, high = 2;  // range of the random inputs
};

/// A function of one element in FP64, as ONNX defines it: constants are folded with it, and tests
/// hold kernels against it. It shares no arithmetic with them.
struct Exact {
  double (*value)(double x, const Attributes&) = nullptr;
  double (*slope)(double saved, const Attributes&) = nullptr;  // of the mask, the input or output
  bool (*passes)(double x, const Attributes&) = nullptr;       // the mask, where there is one
};

struct OpDef {
  std::string_view name;

  /// Roles of inputs and outputs; the last entry repeats.
  std::vector<Role> inputs;
  std::vector<Role> outputs;

  /// Types of all outputs from the inputs' types, F32 where the role decides. Throws BadContent.
  std::vector<TensorType> (*infer)(const Attributes&, std::span<const TensorType>) = nullptr;

  /// Adds the nodes that carry the outputs' gradients to the inputs; null: declared
  /// non-differentiable.
  void (*gradient)(GradientBuilder&, const Node&) = nullptr;

  /// Floating-point operations of one call (bytes follow from the types).
  double (*flops)(const Attributes&, std::span<const TensorType> inputs,
                  std::span<const TensorType> outputs) = nullptr;

  std::vector<OpSample> (*samples)() = nullptr;

  Exact exact = {};  // of functions of one element (value) and their gradients (slope)

  LayoutRule layout = LayoutRule::Follow;
  int weight = -1;                // input that stays RowMajor under LayoutRule::Image
  bool compute = false;           // starts a layer
  bool view = false;              // moves no data: its output shows its first input
  bool loss = false;              // a layer of its own, always FP32
  bool onnx = false;              // inputs and attributes are ONNX's: needs no row in models/onnx
  std::vector<int> mutates = {};  // inputs that it changes in place
};

/// The definition, or null. Names are those of ONNX where ONNX has the operator.
const OpDef* find_op(std::string_view name);

/// All definitions, in the order of the list.
std::span<const OpDef> all_ops();

Role role_of_input(const OpDef& op, std::size_t index);
Role role_of_output(const OpDef& op, std::size_t index);

}  // namespace mpsearch
