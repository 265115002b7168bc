// PyTorch's unoptimized exports write `chunk` and `split` as a sequence of which single elements
// are taken: SplitToSequence and SequenceAt with constants. Each of these elements is a slice.
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "models/onnx/attributes.h"
#include "models/onnx/check.h"
#include "models/onnx/fold.h"
#include "models/onnx/host_tensor.h"

namespace mpsearch {
namespace {

using onnx::NodeProto;
using Constants = std::unordered_map<std::string, HostTensor>;
using Splits = std::unordered_map<std::string, NodeProto>;  // by the sequence's name

/// Integers that the file states, by name.
Constants stated_integers(const onnx::GraphProto& graph) {
  Constants constants;
  const auto add = [&](const std::string& name, HostTensor tensor) {
    if (!tensor.real()) constants.emplace(name, std::move(tensor));
  };
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    if (onnx_is_integer(tensor.data_type())) add(tensor.name(), host_tensor(tensor));
  }
  for (const NodeProto& node : graph.node()) {
    if (node.op_type() != "Constant" || node.output_size() != 1) continue;
    const onnx::AttributeProto* value = find_attribute(node, "value");
    const bool tensor = value != nullptr && onnx_is_integer(value->t().data_type());
    const bool integers = find_attribute(node, "value_int") != nullptr ||
                          find_attribute(node, "value_ints") != nullptr;
    if (tensor || integers) add(node.output(0), constant_of(node));
  }
  return constants;
}

struct Range {
  std::int64_t start = 0;
  std::int64_t end = 0;
};

/// Element `index` of a sequence of pieces of one size, or of the sizes in a list.
std::optional<Range> range_of(const HostTensor& split, std::int64_t index) {
  if (split.shape.empty()) {
    const std::int64_t size = split.integers.at(0);
    Range range;
    const bool overflows = __builtin_mul_overflow(index, size, &range.start) ||
                           __builtin_add_overflow(range.start, size, &range.end);
    if (index < 0 || size <= 0 || overflows) return std::nullopt;
    return range;
  }
  const auto count = static_cast<std::int64_t>(split.integers.size());
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  Range range;
  for (std::int64_t i = 0; i <= index; ++i) {
    range.start = range.end;
    const std::int64_t size = split.integers[static_cast<std::size_t>(i)];
    if (size < 0 || __builtin_add_overflow(range.end, size, &range.end)) return std::nullopt;
  }
  return range;
}

class SequenceRemover {
 public:
  explicit SequenceRemover(onnx::GraphProto& graph)
      : graph_(graph), constants_(stated_integers(graph)) {}

  void run() {
    for (const NodeProto& node : graph_.node()) {
      if (node.op_type() == "SplitToSequence" && node.output_size() == 1) {
        splits_[node.output(0)] = node;
      }
    }
    if (splits_.empty()) return;
    for (NodeProto& node : *graph_.mutable_node()) {
      if (!take_element(node)) kept_.Add()->Swap(&node);
    }
    graph_.mutable_node()->Swap(&kept_);  // sequences that nothing reads any more are dead
  }

 private:
  const HostTensor* constant(const NodeProto& node, int input) const {
    if (input >= node.input_size()) return nullptr;
    const auto found = constants_.find(node.input(input));
    return found == constants_.end() || found->second.size() == 0 ? nullptr : &found->second;
  }

  std::string add_constant(const std::string& name, std::int64_t value) {
    NodeProto& node = *kept_.Add();
    node.set_op_type("Constant");
    node.set_name(name);
    node.add_output(name);
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name("value_ints");
    attribute.set_type(onnx::AttributeProto::INTS);
    attribute.add_ints(value);
    return name;
  }

  bool take_element(const NodeProto& node) {
    if (node.op_type() != "SequenceAt" || node.input_size() != 2) return false;
    const auto split = splits_.find(node.input(0));
    if (split == splits_.end()) return false;
    const HostTensor* const index = constant(node, 1);
    const HostTensor* const sizes = constant(split->second, 1);
    if (index == nullptr || sizes == nullptr) return false;
    const std::optional<Range> range = range_of(*sizes, index->integers[0]);
    if (!range) return false;
    const std::string& name = node.name();
    NodeProto slice;
    slice.set_name(name);
    slice.set_op_type("Slice");
    slice.add_input(split->second.input(0));
    slice.add_input(add_constant(name + ".start", range->start));
    slice.add_input(add_constant(name + ".end", range->end));
    slice.add_input(add_constant(name + ".axis", integer_of(split->second, "axis", 0)));
    slice.add_output(node.output(0));
    kept_.Add()->Swap(&slice);
    return true;
  }

  onnx::GraphProto& graph_;
  const Constants constants_;
  Splits splits_;
  google::protobuf::RepeatedPtrField<NodeProto> kept_;
};

}  // namespace

void remove_sequences(onnx::GraphProto& graph) { SequenceRemover(graph).run(); }

}  // namespace mpsearch
