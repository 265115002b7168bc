// From ONNX operators to canonical nodes: one table, by name and opset. Internal to models/onnx.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/onnx/attributes.h"
#include "models/onnx/scope.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {

/// Thrown by NodeCall::refuse and for inputs that nothing is known of.
struct Refusal {
  std::string why;  // empty: only because of an input
};

/// One node of the file, as a row of the table sees it.
class NodeCall {
 public:
  NodeCall(Scope& scope, const onnx::NodeProto& node, int index);

  const onnx::NodeProto& node;
  int opset;

  bool has(std::size_t input) const;
  std::size_t inputs() const { return static_cast<std::size_t>(node.input_size()); }
  const Symbol& symbol(std::size_t input) const;
  const Shape& shape(std::size_t input) const;
  std::size_t rank(std::size_t input) const { return shape(input).size(); }

  ValueId data(std::size_t input);    // initializers stay constants
  ValueId weight(std::size_t input);  // initializers train
  /// The input as I64, or as BOOL.
  ValueId integer(std::size_t input);
  ValueId truth(std::size_t input);
  ValueId statistic(std::size_t input, bool variance);
  /// What an operator only moves: an initializer trains unless it looks like a mask.
  ValueId part(std::size_t input);
  /// An operand of an element-wise operator: trains where it is more than a constant of the
  /// formula.
  ValueId operand(std::size_t input);

  /// Value of an input that must not depend on the model's inputs.
  const HostTensor& constant(std::size_t input);
  double scalar(std::size_t input);  // of one element
  /// A constant of the formula (no initializer) that is all zeros: PyTorch writes such biases.
  bool is_zero(std::size_t input) const;
  /// From attribute `name` before opset `since`, from input `index` after. Empty where absent.
  Shape integers(std::string_view name, int since, std::size_t index);

  /// Adds a node. The first without a suffix takes the ONNX node's name, others NAME.SUFFIX or
  /// NAME.OP.
  ValueId emit(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {},
               std::string_view suffix = "");
  /// `value` seen in another shape; itself where it has that shape.
  ValueId view(ValueId value, const Shape& shape, std::string_view suffix = "");
  /// The target of a Reshape or Expand, with the file's batch replaced where it is written
  /// literally.
  Shape literal_target(const Shape& from, const Shape& target, bool expand);

  void result(ValueId value) { result(0, value); }
  void result(int output, ValueId value);
  /// The output is input `index` under another name.
  void alias(std::size_t index);
  bool uses_output(int output) const;

  [[noreturn]] void refuse(std::string why) const { throw Refusal{std::move(why)}; }

  Scope& scope;

 private:
  bool is_only_bias(std::size_t input);

  int index_;
  std::string name_;
  bool named_ = false;
};

struct OpRow {
  std::string_view op;
  int since;  // opset
  void (*convert)(NodeCall&);
};

/// The row for the operator at this opset, or null. Of rows with one name the latest `since`
/// counts.
const OpRow* find_row(std::string_view op, int opset);

/// The same for operators whose first input holds integers or truth values.
const OpRow* find_integer_row(std::string_view op, int opset);
std::vector<OpRow> integer_rows();  // op_map_logic.cpp

/// What a Slice node takes of its first input (op_map_movement.cpp).
SlicedShape slice_of(NodeCall& call);

/// The first opset that has the operator. Throws Internal where ONNX has none of this name.
int first_opset(std::string_view op);

/// The table.
const std::vector<OpRow>& op_rows();

std::vector<OpRow> convolution_rows();  // op_map_convolution.cpp
std::vector<OpRow> general_rows();      // op_map_general.cpp
std::vector<OpRow> shape_rows();        // op_map_shape.cpp
std::vector<OpRow> movement_rows();     // op_map_movement.cpp
std::vector<OpRow> gather_rows();       // op_map_gather.cpp
std::vector<OpRow> logic_rows();        // op_map_logic.cpp
std::vector<OpRow> norm_rows();         // op_map_norm.cpp
std::vector<OpRow> resample_rows();     // op_map_resample.cpp
std::vector<OpRow> composite_rows();    // op_map_composite.cpp
std::vector<OpRow> einsum_rows();       // op_map_einsum.cpp
std::vector<OpRow> recurrent_rows();    // op_map_recurrent.cpp

/// Attributes of a pool, with auto_pad resolved.
Attributes window_attributes(const NodeCall& call);

}  // namespace mpsearch
