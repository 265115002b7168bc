#include "models/gradient.h"

#include "kernels/error.h"
#include "models/op.h"

namespace mpsearch {

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
  for (const ValueId output : graph_.node(id).outputs) {
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
    if (!complete) continue;
    for (const ValueId parameter : finished[static_cast<std::size_t>(id)]) {
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
