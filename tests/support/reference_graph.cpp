#include "tests/support/reference_graph.h"

#include <stdexcept>

#include "models/op.h"
#include "tests/support/storage.h"

namespace mpsearch::reference {
namespace {

void check(const Value& value, const Numbers& numbers) {
  if (numbers.size() == static_cast<std::size_t>(value.type.elements())) return;
  throw std::logic_error("value '" + value.name + "' of type " + to_string(value.type) + " has " +
                         std::to_string(numbers.size()) + " elements");
}

}  // namespace

std::vector<Numbers> initial_numbers(const Graph& graph) {
  std::vector<Numbers> all(graph.values.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Value& value = graph.values[i];
    if (value.data) {
      all[i] = loaded(value.data->data(), value.type);
    } else if (value.kind == ValueKind::State) {
      all[i] = Numbers(static_cast<std::size_t>(value.type.elements()), 0);
    }
  }
  return all;
}

void run(const Graph& graph, std::vector<Numbers>& values) {
  const auto at = [&](ValueId id) -> Numbers& { return values[static_cast<std::size_t>(id)]; };
  for (const Node& node : graph.nodes) {
    std::vector<Numbers> inputs;
    for (const ValueId id : node.inputs) {
      check(graph.value(id), at(id));
      inputs.push_back(at(id));
    }
    KernelCall call = call_of(graph, node);
    call.outputs = node.op->infer(call.attributes, call.inputs);  // those that the node lacks too
    std::vector<Numbers> outputs = evaluate(call, inputs);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      at(node.outputs[i]) = std::move(outputs.at(i));
      check(graph.value(node.outputs[i]), at(node.outputs[i]));
    }
    for (const int changed : node.op->mutates) {
      const auto index = static_cast<std::size_t>(changed);
      if (index < inputs.size()) at(node.inputs[index]) = std::move(inputs[index]);
    }
  }
}

}  // namespace mpsearch::reference
