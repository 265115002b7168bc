#include "models/gradient.h"

#include <algorithm>

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {
namespace {

/// The one axis along which a slice of `shape` takes a part, in steps of one; -1 where there is
/// none.
std::int64_t cut_axis(const Shape& shape, const Attributes& slice) {
  const Shape part = slice.integers("shape");
  const Shape steps = slice.integers("steps");
  std::int64_t axis = -1;
  for (std::size_t dim = 0; dim < shape.size(); ++dim) {
    if (steps[dim] != 1) return -1;
    if (part[dim] == shape[dim]) continue;
    if (axis >= 0) return -1;
    axis = static_cast<std::int64_t>(dim);
  }
  return axis;
}

}  // namespace

ValueId GradientBuilder::gradient(ValueId of) const {
  const auto found = gradients_.find(of);
  return found == gradients_.end() ? kNone : found->second;
}

bool GradientBuilder::wanted(ValueId value) const {
  const auto index = static_cast<std::size_t>(value);
  return index < wanted_.size() && wanted_[index];
}

void GradientBuilder::add(ValueId of, ValueId contribution) {
  if (!wanted(of)) return;
  const auto mark = [&](ValueId id) {
    if (graph_.value(id).gradient_of == kNone) graph_.value(id).gradient_of = of;
  };
  mark(contribution);
  const auto [place, first] = gradients_.try_emplace(of, contribution);
  if (first) return;
  // The sum belongs to the layer that wrote `of`: it is that layer's gradient buffer.
  const NodeId producer = graph_.value(of).producer;
  const ValueId sum = node("sum", "Sum2", {place->second, contribution});
  if (producer != kNone) {
    graph_.node(graph_.value(sum).producer).layer = graph_.node(producer).layer;
  }
  mark(sum);
  gradients_[of] = sum;
}

void GradientBuilder::add_slice(ValueId of, ValueId gradient, const Attributes& slice) {
  if (wanted(of)) slices_[of].push_back({gradient, slice});
}

/// Sorts slices that lie one beside the other along an axis and cover all of `shape`; -1 where they
/// do not.
std::int64_t GradientBuilder::tiled_axis(const Shape& shape, std::vector<Slice>& slices) {
  const std::int64_t axis = cut_axis(shape, slices[0].attributes);
  if (axis < 0) return -1;
  const auto along = static_cast<std::size_t>(axis);
  const auto start = [&](const Slice& slice) { return slice.attributes.integers("starts")[along]; };
  std::ranges::stable_sort(slices, {}, start);
  std::int64_t end = 0;
  for (const Slice& slice : slices) {
    if (cut_axis(shape, slice.attributes) != axis || start(slice) != end) return -1;
    end += slice.attributes.integers("shape")[along];
  }
  return end == shape[along] ? axis : -1;
}

/// All that read `of` have added theirs.
void GradientBuilder::join_slices(ValueId of) {
  const auto found = slices_.find(of);
  if (found == slices_.end()) return;
  std::vector<Slice> slices = std::move(found->second);
  slices_.erase(found);
  const Shape shape = graph_.value(of).type.shape;
  if (const std::int64_t axis = tiled_axis(shape, slices); axis >= 0) {
    std::vector<ValueId> parts;
    for (const Slice& slice : slices) parts.push_back(slice.gradient);
    return add(of, node("parts", "Concat", std::move(parts), {{"axis", axis}}));
  }
  for (const Slice& slice : slices) {
    add(of, node("part", "SliceGrad", {slice.gradient},
                 {{"starts", slice.attributes.integers("starts")},
                  {"steps", slice.attributes.integers("steps")},
                  {"input_shape", shape}}));
  }
}

ValueId GradientBuilder::node(const std::string& suffix, std::string_view op,
                              std::vector<ValueId> inputs, Attributes attributes,
                              std::size_t outputs) {
  const Node& from = graph_.node(current_);
  std::string name = from.name + '.' + suffix;
  if (const int count = used_names_[name]++; count > 0) name += std::to_string(count + 1);
  const LayerId layer = from.layer;
  const NodeId id = graph_.add_node(name, op, std::move(inputs), std::move(attributes), outputs);
  graph_.node(id).phase = Phase::Backward;
  graph_.node(id).layer = layer;
  return graph_.node(id).outputs[0];
}

ValueId GradientBuilder::saved_output(std::size_t index) {
  return graph_.add_output(current_, index);
}

void GradientBuilder::mark_wanted() {
  wanted_.assign(graph_.values.size(), false);
  for (std::size_t i = 0; i < graph_.values.size(); ++i) {
    wanted_[i] = graph_.values[i].kind == ValueKind::Parameter;
  }
  for (const Node& node : graph_.nodes) {
    bool any = false;
    for (const ValueId input : node.inputs) any = any || wanted(input);
    if (!any) continue;
    for (const ValueId output : node.outputs) {
      // Integers and truth values carry no gradient: what is made of them stands apart.
      wanted_[static_cast<std::size_t>(output)] = is_float(graph_.value(output).type.form.dtype);
    }
  }
}

void GradientBuilder::differentiate(NodeId id) {
  current_ = id;
  bool reached = false;
  bool needed = false;
  const std::vector<ValueId> outputs = graph_.node(id).outputs;
  for (const ValueId output : outputs) join_slices(output);
  for (const ValueId output : outputs) {
    reached = reached || gradient(output) != kNone;
    needed = needed || wanted(output);
  }
  const OpDef& op = *graph_.node(id).op;
  if ((!reached && !op.loss) || !needed) return;
  require(op.gradient != nullptr, ErrorKind::BadContent,
          "operator '" + std::string(op.name) + "' of node '" + graph_.node(id).name +
              "' has no gradient, but a trained parameter lies before it");
  const Node copy = graph_.node(id);  // rules add nodes, which moves the vector
  op.gradient(*this, copy);
}

std::vector<std::vector<ValueId>> GradientBuilder::parameters_by_first_reader() const {
  std::vector<std::vector<ValueId>> parameters(graph_.nodes.size());
  std::vector<bool> seen(graph_.values.size(), false);
  for (std::size_t id = 0; id < graph_.nodes.size(); ++id) {
    for (const ValueId input : graph_.nodes[id].inputs) {
      const auto index = static_cast<std::size_t>(input);
      if (seen[index] || graph_.value(input).kind != ValueKind::Parameter) continue;
      seen[index] = true;
      parameters[id].push_back(input);
    }
  }
  return parameters;
}

void GradientBuilder::run(const Complete& complete) {
  const std::vector<std::vector<ValueId>> finished = parameters_by_first_reader();
  for (auto id = static_cast<NodeId>(finished.size()); id-- > 0;) {
    if (graph_.node(id).phase == Phase::Forward) differentiate(id);
    for (const ValueId parameter : finished[static_cast<std::size_t>(id)]) {
      join_slices(parameter);
      if (!complete) continue;
      if (const ValueId found = gradient(parameter); found != kNone) complete(parameter, found);
    }
  }
}

ValueId reduce_to(GradientBuilder& builder, ValueId gradient, ValueId value) {
  const Shape target = builder.graph().value(value).type.shape;
  if (builder.graph().value(gradient).type.shape == target) return gradient;
  return builder.node("sum_to", "SumTo", {gradient}, {{"shape", target}});
}

}  // namespace mpsearch
