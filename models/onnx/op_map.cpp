#include "models/onnx/op_map.h"

#include <algorithm>
#include <map>

#include "kernels/error.h"
#include "models/onnx/import.h"
#include "models/op.h"

#include <onnx/defs/schema.h>

namespace mpsearch {
namespace {

using onnx::AttributeProto;

/// The node's attributes with the defaults of its opset.
Attributes attributes_of(const NodeCall& call) {
  const onnx::OpSchema* schema =
      onnx::OpSchemaRegistry::Schema(call.node.op_type(), call.opset, "");
  Attributes attributes;
  for (const auto& [name, attribute] : schema->attributes()) {
    const AttributeProto& otherwise = attribute.default_value;
    if (find_attribute(call.node, name) == nullptr && !otherwise.has_name()) continue;
    if (attribute.type == AttributeProto::FLOAT) {
      attributes.set(name, number_of(call.node, name, double{otherwise.f()}));
    } else if (attribute.type == AttributeProto::INT) {
      attributes.set(name, integer_of(call.node, name, otherwise.i()));
    }
  }
  return attributes;
}

/// An operator whose definition here is ONNX's.
void as_it_is(NodeCall& call) {
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < call.inputs(); ++i) {
    if (!onnx_is_float(call.symbol(i).type)) call.refuse("integer tensors as data");
    inputs.push_back(call.weight(i));
  }
  call.result(call.emit(call.node.op_type(), inputs, attributes_of(call)));
}

const OpRow* latest(const std::vector<OpRow>& rows, std::string_view op, int opset) {
  const OpRow* best = nullptr;
  for (const OpRow& row : rows) {
    if (row.op != op || row.since > opset) continue;
    if (best == nullptr || row.since > best->since) best = &row;
  }
  return best;
}

}  // namespace

int first_opset(std::string_view op) {
  const std::string name(op);
  const int newest = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("").second;
  int opset = 1;
  while (opset <= newest && onnx::OpSchemaRegistry::Schema(name, opset, "") == nullptr) ++opset;
  require(opset <= newest, ErrorKind::Internal,
          "operator '" + name + "' is registered as one of ONNX's, which has none of this name");
  return opset;
}

const std::vector<OpRow>& op_rows() {
  static const std::vector<OpRow> kRows = [] {
    std::vector<OpRow> rows = convolution_rows();
    for (const auto& family :
         {general_rows(), shape_rows(), norm_rows(), resample_rows(), composite_rows(),
          einsum_rows(), recurrent_rows(), movement_rows(), gather_rows(), logic_rows()}) {
      rows.insert(rows.end(), family.begin(), family.end());
    }
    for (const OpDef& op : all_ops()) {
      const bool listed =
          std::ranges::any_of(rows, [&](const OpRow& row) { return row.op == op.name; });
      if (op.onnx && !listed) rows.push_back({op.name, first_opset(op.name), as_it_is});
    }
    return rows;
  }();
  return kRows;
}

const OpRow* find_row(std::string_view op, int opset) { return latest(op_rows(), op, opset); }

const OpRow* find_integer_row(std::string_view op, int opset) {
  static const std::vector<OpRow> kRows = integer_rows();
  return latest(kRows, op, opset);
}

std::vector<KnownOperator> known_operators() {
  std::map<std::string_view, int> since;
  for (const OpRow& row : op_rows()) {
    const auto [entry, inserted] = since.emplace(row.op, row.since);
    if (!inserted) entry->second = std::min(entry->second, row.since);
  }
  std::vector<KnownOperator> out;
  for (const auto& [op, first] : since) out.push_back({std::string(op), first});
  return out;
}

}  // namespace mpsearch
