#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/rewrite.h"
#include "models/onnx/shape_rules.h"
#include "models/op.h"

namespace mpsearch {

NodeCall::NodeCall(Scope& import_scope, const onnx::NodeProto& onnx_node, int index)
    : node(onnx_node),
      opset(import_scope.opset),
      scope(import_scope),
      index_(index),
      name_(node_label(onnx_node, index)) {}

bool NodeCall::has(std::size_t input) const {
  return input < inputs() && !node.input(static_cast<int>(input)).empty();
}

const Symbol& NodeCall::symbol(std::size_t input) const {
  require(has(input), ErrorKind::BadContent, "input " + std::to_string(input) + " is missing");
  const Symbol& known = scope.symbol(node.input(static_cast<int>(input)));
  if (known.unknown) throw Refusal{};
  return known;
}

const Shape& NodeCall::shape(std::size_t input) const { return symbol(input).shape; }

ValueId NodeCall::data(std::size_t input) {
  symbol(input);
  return scope.value(node.input(static_cast<int>(input)), false);
}

ValueId NodeCall::weight(std::size_t input) {
  const int type = symbol(input).type;
  if (!onnx_is_float(type)) refuse("its weight is of type " + onnx_type_name(type));
  return scope.value(node.input(static_cast<int>(input)), true);
}

ValueId NodeCall::integer(std::size_t input) {
  const ValueId value = data(input);
  if (scope.model.graph.value(value).type.form.dtype == DType::I64) return value;
  return emit("CastTo", {value}, {{"to", std::string("I64")}}, "i64");
}

ValueId NodeCall::truth(std::size_t input) {
  const ValueId value = data(input);
  if (scope.model.graph.value(value).type.form.dtype == DType::BOOL) return value;
  return emit("CastTo", {value}, {{"to", std::string("BOOL")}}, "bool");
}

ValueId NodeCall::statistic(std::size_t input, bool variance) {
  symbol(input);
  return scope.state(node.input(static_cast<int>(input)), statistic_name(name_, variance));
}

/// Whether a vector of one element is the bias of a matrix product with one result: other tensors
/// of one element are numbers of a formula.
bool NodeCall::is_only_bias(std::size_t input) {
  const Symbol& known = symbol(input);
  const Symbol& beside = symbol(1 - input);
  if (node.op_type() != "Add" || known.initializer == nullptr || beside.value == kNone ||
      known.shape.empty() || elements_of(known.shape) != 1 || !onnx_trains(known.type)) {
    return false;
  }
  const Value& product = scope.model.graph.value(beside.value);
  if (product.producer == kNone || !scope.learned(beside.value)) return false;
  return scope.model.graph.node(product.producer).op->name == "MatMul" &&
         product.type.shape.back() == 1;
}

/// An initializer trains as an operand (a bias, a learned scale or position) unless it is a scalar,
/// holds infinities (a mask), or only prepares the model's input.
ValueId NodeCall::operand(std::size_t input) {
  const Symbol& known = symbol(input);
  if (!known.at_import()) return data(input);
  const std::string& name = node.input(static_cast<int>(input));
  if (scope.roles.mark(scope.root_of(name)) == TrainingRoles::Mark::Parameter) return weight(input);
  if (!scope.roles.marked() && is_only_bias(input)) return weight(input);
  if (!scope.is_weight(name)) return data(input);
  // What exporters compute of constants (grids, deviations) is subtracted or divided by, or filled.
  const bool apart = node.op_type() == "Sub" || node.op_type() == "Div";
  if ((apart && scope.is_folded(name)) || scope.is_filled(name)) return data(input);
  const std::size_t other = 1 - input;
  const Symbol& beside = symbol(other);
  const bool prepares = !beside.at_import() && !scope.learned(beside.value);
  return prepares || scope.is_mask(name) ? data(input) : weight(input);
}

ValueId NodeCall::part(std::size_t input) {
  const std::string& name = node.input(static_cast<int>(input));
  if (!symbol(input).at_import() || !scope.is_weight(name)) return data(input);
  return scope.is_filled(name) || scope.is_mask(name) ? data(input) : weight(input);
}

const HostTensor& NodeCall::constant(std::size_t input) {
  if (!symbol(input).at_import()) {
    refuse("its input '" + node.input(static_cast<int>(input)) + "' depends on the data");
  }
  return scope.constant(node.input(static_cast<int>(input)));
}

double NodeCall::scalar(std::size_t input) {
  const HostTensor& value = constant(input);
  require(value.size() == 1, ErrorKind::BadContent,
          "input " + std::to_string(input) + " has shape " + to_string(value.shape) +
              ", expected one element");
  return value.number(0);
}

bool NodeCall::is_zero(std::size_t input) const {
  const Symbol& known = symbol(input);
  if (known.constant == nullptr || known.initializer != nullptr || known.mover != nullptr)
    return false;
  const std::vector<double>& values = known.constant->reals;
  return std::all_of(values.begin(), values.end(), [](double value) { return value == 0; });
}

Shape NodeCall::integers(std::string_view name, int since, std::size_t index) {
  if (opset < since) return integers_of(node, name);
  return has(index) ? constant(index).integers : Shape{};
}

ValueId NodeCall::emit(std::string_view op, std::vector<ValueId> inputs, Attributes attributes,
                       std::string_view suffix) {
  std::string name = name_;
  if (!suffix.empty()) {
    name += "." + std::string(suffix);
  } else if (named_) {
    name += "." + std::string(op);
  } else {
    named_ = true;
  }
  return scope.emit(name, op, std::move(inputs), std::move(attributes), index_);
}

ValueId NodeCall::view(ValueId value, const Shape& shape, std::string_view suffix) {
  if (scope.model.graph.value(value).type.shape == shape) return value;
  return emit("Reshape", {value}, {{"shape", shape}}, suffix);
}

Shape NodeCall::literal_target(const Shape& from, const Shape& target, bool expand) {
  const bool allow_zero = integer_of(node, "allowzero", 0) != 0;
  const auto plain = [&] {
    return expand ? broadcast(from, target) : mpsearch::reshaped(from, target, allow_zero);
  };
  const std::string& key = node.output(0);
  if (scope.written == nullptr) {
    const Shape result = plain();
    scope.literals[key] = {from, target, result};
    return result;
  }
  const auto found = scope.written->find(key);
  if (found == scope.written->end() || found->second.target != target) return plain();
  const LiteralShape& before = found->second;
  const bool follows = before.from != from || (expand && scope.written_batch > 1);
  if (!follows || target.empty() || before.result.empty()) return plain();
  if (!expand) {
    scope.note_batches(before.from, from);
    const Shape scaled = rescaled(before.from, before.result, from, scope.batches);
    if (scaled.empty()) return plain();
    scope.note_batches(before.result, scaled);
    return mpsearch::reshaped(from, scaled, true);
  }
  Shape scaled = before.result;
  const bool leads = scaled[0] == scope.written_batch && before.from.size() == scaled.size() &&
                     (before.from[0] == scope.written_batch || before.from[0] == 1);
  if (leads) scaled[0] = scope.model.batch;
  return leads ? broadcast(from, scaled) : plain();
}

void NodeCall::result(int output, ValueId value) {
  if (output >= node.output_size() || node.output(output).empty()) return;
  scope.define_value(node.output(output), value,
                     onnx_type_of(scope.model.graph.value(value).type.form.dtype));
}

void NodeCall::alias(std::size_t index) {
  const Symbol& same = symbol(index);
  if (same.at_import()) {
    scope.define_value(node.output(0), weight(index), same.type);
  } else {
    scope.define(node.output(0), Symbol(same));
  }
}

bool NodeCall::uses_output(int output) const {
  if (output >= node.output_size() || node.output(output).empty()) return false;
  const Symbol* known = scope.find(node.output(output));
  return known != nullptr && known->unknown;  // convert.cpp declares what is used
}

}  // namespace mpsearch
