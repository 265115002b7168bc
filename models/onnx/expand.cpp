#include <onnx/inliner/inliner.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "models/onnx/check.h"
#include "models/onnx/fold.h"
#include "models/onnx/op_map.h"

namespace mpsearch {
namespace {

constexpr int kDeepest = 4;  // bodies within bodies

using Names = std::set<std::string>;

/// What bodies compute shapes with; their other operators see data.
constexpr std::array<std::string_view, 6> kOfShapes{"Constant", "Shape",  "Size",
                                                    "Range",    "Concat", "ConstantOfShape"};

/// Operators of the model's main graph that the import cannot take where they see data.
Names unknown_operators(const onnx::ModelProto& model) {
  Names names;
  const int opset = opset_of(model);
  for (const onnx::NodeProto& node : model.graph().node()) {
    const std::string& op = node.op_type();
    const bool known = find_row(op, opset) != nullptr || find_integer_row(op, opset) != nullptr ||
                       std::find(kOfShapes.begin(), kOfShapes.end(), op) != kOfShapes.end();
    if (!known && (node.domain().empty() || node.domain() == "ai.onnx")) names.insert(op);
  }
  return names;
}

bool has_body(const std::string& op, int opset) {
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(op, opset, "");
  return schema != nullptr && (schema->HasFunction() || schema->HasContextDependentFunction());
}

/// Writes the defaults of the operators' attributes out, since bodies refer to them by name.
void write_defaults(onnx::ModelProto& model, const Names& ops) {
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) {
    if (!ops.contains(node.op_type())) continue;
    const onnx::OpSchema* schema =
        onnx::OpSchemaRegistry::Schema(node.op_type(), opset_of(model), "");
    for (const auto& [name, attribute] : schema->attributes()) {
      const bool given = find_attribute(node, name) != nullptr;
      if (!given && attribute.default_value.has_name()) {
        *node.add_attribute() = attribute.default_value;
      }
    }
  }
}

/// Replaces every node of operator `op` by its body, and what is unknown in the body by its own.
/// False where something unknown remains.
bool expand(onnx::ModelProto& model, const std::string& op) {
  Names before = unknown_operators(model);
  before.erase(op);
  Names next{op};
  for (int depth = 0; depth < kDeepest && !next.empty(); ++depth) {
    onnx::inliner::FunctionIdVector ids;
    for (const std::string& name : next) {
      if (!has_body(name, opset_of(model))) return false;
      ids.emplace_back("", name);
    }
    write_defaults(model, next);
    const auto set = onnx::inliner::FunctionIdSet::Create(std::move(ids));
    onnx::inliner::InlineSelectedFunctions(model, *set, nullptr);
    next.clear();
    for (const std::string& name : unknown_operators(model)) {
      if (!before.contains(name)) next.insert(name);
    }
  }
  return next.empty();
}

}  // namespace

void expand_operators(onnx::ModelProto& model) {
  for (const std::string& op : unknown_operators(model)) {
    if (can_fold(op) || !has_body(op, opset_of(model))) continue;
    onnx::ModelProto expanded = model;
    try {
      if (expand(expanded, op)) model = std::move(expanded);
    } catch (const std::exception&) {
      continue;  // a body for other types or opsets: the operator is reported as not implemented
    }
  }
}

}  // namespace mpsearch
