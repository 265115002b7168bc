// Layouts and forms: what each node reads and writes under each precision.
#include <algorithm>

#include "kernels/error.h"
#include "models/lower.h"
#include "models/op.h"

namespace mpsearch {
namespace {

constexpr std::size_t kImageRank = 4;

/// Rank of the tensors whose layout a node decides.
std::size_t image_rank(const Graph& graph, const Node& node) {
  return node.inputs.empty() ? 0 : graph.value(node.inputs[0]).type.shape.size();
}

bool written_in_backward(const Graph& graph, ValueId root) {
  const NodeId producer = graph.value(root).producer;
  return producer != kNone && graph.node(producer).phase == Phase::Backward;
}

DType dtype_of_input(const Graph& graph, const Node& node, std::size_t index,
                     const LayerFormats& formats) {
  const ValueId root = graph.root(node.inputs[index]);
  const DType own = graph.value(root).type.form.dtype;
  const Role role = role_of_input(*node.op, index);
  if (role == Role::Own || !is_float(own)) return own;
  if (role == Role::F32) return DType::F32;
  const bool gradient = written_in_backward(graph, root);
  if (role == Role::Operand) return gradient ? formats.gradient_operand : formats.operand;
  if (gradient) return formats.gradient;
  return node.phase == Phase::Backward ? formats.saved : formats.carrier;
}

DType dtype_of_output(const Graph& graph, const Node& node, std::size_t index,
                      const LayerFormats& formats) {
  const Value& value = graph.value(node.outputs[index]);
  const Role role = role_of_output(*node.op, index);
  if (role == Role::Own || !is_float(value.type.form.dtype)) return value.type.form.dtype;
  if (role == Role::F32) return DType::F32;
  if (node.phase != Phase::Backward) return formats.carrier;
  const bool of_parameter =
      value.gradient_of != kNone && graph.value(value.gradient_of).kind == ValueKind::Parameter;
  return of_parameter ? DType::F32 : formats.gradient;
}

}  // namespace

std::vector<Layout> assign_layouts(const Graph& graph) {
  std::vector<Layout> layouts(graph.nodes.size(), Layout::RowMajor);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const std::size_t rank = image_rank(graph, node);
    if (rank < kImageRank || node.op->view) continue;
    bool last = node.op->layout == LayoutRule::Image;
    if (node.op->layout == LayoutRule::Follow) {
      for (const ValueId input : node.inputs) {
        const ValueId root = graph.root(input);
        const NodeId producer = graph.value(root).producer;
        const Shape& shape = graph.value(input).type.shape;
        const bool same_rank = shape.size() == rank && producer != kNone;
        if (same_rank && graph.value(root).type.form.dtype == DType::BIT) {
          last = layouts[static_cast<std::size_t>(producer)] == Layout::ChannelsLast;
          break;  // a mask stays as it was written: bits are never reordered
        }
        last = last || (producer != kNone && graph.value(root).type.shape == shape &&
                        shape.size() == rank &&
                        layouts[static_cast<std::size_t>(producer)] == Layout::ChannelsLast);
      }
    }
    if (last) layouts[i] = Layout::ChannelsLast;
  }
  return layouts;
}

Form form_of_input(const Graph& graph, NodeId id, std::size_t index, Precision precision,
                   std::span<const Layout> layouts) {
  const Node& node = graph.node(id);
  const bool image = graph.value(node.inputs[index]).type.shape.size() == image_rank(graph, node) &&
                     static_cast<int>(index) != node.op->weight &&
                     role_of_input(*node.op, index) != Role::F32;
  return {dtype_of_input(graph, node, index, formats_of(precision)),
          image ? layouts[static_cast<std::size_t>(id)] : Layout::RowMajor};
}

Form form_of_output(const Graph& graph, NodeId id, std::size_t index, Precision precision,
                    std::span<const Layout> layouts) {
  const Node& node = graph.node(id);
  const bool image =
      graph.value(node.outputs[index]).type.shape.size() == image_rank(graph, node) &&
      role_of_output(*node.op, index) != Role::F32;
  return {dtype_of_output(graph, node, index, formats_of(precision)),
          image ? layouts[static_cast<std::size_t>(id)] : Layout::RowMajor};
}

KernelCall call_under(const Graph& graph, NodeId id, Precision precision,
                      std::span<const Layout> layouts) {
  const Node& node = graph.node(id);
  KernelCall call{std::string(node.op->name), node.attributes, {}, {}};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    call.inputs.push_back(
        {graph.value(node.inputs[i]).type.shape, form_of_input(graph, id, i, precision, layouts)});
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    call.outputs.push_back({graph.value(node.outputs[i]).type.shape,
                            form_of_output(graph, id, i, precision, layouts)});
  }
  return call;
}

namespace {

std::span<const Precision> precisions_of(const Graph& graph, NodeId id,
                                         std::vector<Precision> Layer::*which) {
  static constexpr Precision kFull[] = {Precision::FP32};
  const LayerId layer = graph.node(id).layer;
  if (layer == kNone) return kFull;
  return graph.layers[static_cast<std::size_t>(layer)].*which;
}

}  // namespace

std::span<const Precision> possible_of(const Graph& graph, NodeId id) {
  return precisions_of(graph, id, &Layer::possible);
}

std::span<const Precision> allowed_of(const Graph& graph, NodeId id) {
  return precisions_of(graph, id, &Layer::allowed);
}

}  // namespace mpsearch
