// Gathers, their gradients and scatters: one index at a time.
#include <algorithm>
#include <string>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// Calls f(index into x, index into what is picked) for every picked element.
template <class F>
void for_each_picked(const Call& call, const Shape& x, const Shape& picked, F f) {
  const std::string op = call.call.op;
  const Shape& shape = call.shape(1);
  const Numbers& numbers = call.inputs[1];
  const auto number = [&](const Shape& at, std::int64_t size) {
    const auto index = static_cast<std::int64_t>(numbers[position(shape, at)]);
    return index < 0 ? index + size : index;
  };
  for_each_index(picked, [&](const Shape& at) {
    if (op.find("Elements") != std::string::npos) {
      Shape from = at;
      const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
      from[axis] = number(at, x[axis]);
      f(from, at);
    } else if (op.find("ND") != std::string::npos) {
      const auto batch = static_cast<std::size_t>(call.integer("batch_dims", 0));
      Shape from(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(batch));
      Shape tuple(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(shape.size()) - 1);
      tuple.push_back(0);
      for (; tuple.back() < shape.back(); ++tuple.back()) {
        from.push_back(number(tuple, x[from.size()]));
      }
      from.insert(from.end(), at.begin() + static_cast<std::ptrdiff_t>(shape.size()) - 1, at.end());
      f(from, at);
    } else {
      const auto axis = call.integer("axis", 0);
      const Shape in_index(at.begin() + axis,
                           at.begin() + axis + static_cast<std::ptrdiff_t>(shape.size()));
      Shape from(at.begin(), at.begin() + axis);
      from.push_back(number(in_index, x[static_cast<std::size_t>(axis)]));
      from.insert(from.end(), at.begin() + axis + static_cast<std::ptrdiff_t>(shape.size()),
                  at.end());
      f(from, at);
    }
  });
}

std::vector<Numbers> gather(const Call& call) {
  Numbers y;
  const Shape& x = call.shape(0);
  for_each_picked(call, x, call.call.outputs[0].shape, [&](const Shape& from, const Shape&) {
    y.push_back(call.inputs[0][position(x, from)]);
  });
  return {y};
}

std::vector<Numbers> gather_grad(const Call& call) {
  const Shape& x = call.call.outputs[0].shape;
  Numbers dx(count_of(x), 0);
  for_each_picked(call, x, call.shape(0), [&](const Shape& to, const Shape& at) {
    dx[position(x, to)] += call.inputs[0][position(call.shape(0), at)];
  });
  return {dx};
}

/// What indices of this family pick from x.
Shape picked_shape(const Call& call) {
  const Shape &x = call.shape(0), &index = call.shape(1);
  if (call.call.op == "ScatterElements") return index;
  Shape picked(index.begin(), index.end() - 1);
  picked.insert(picked.end(), x.begin() + index.back(), x.end());
  return picked;
}

std::vector<Numbers> scatter(const Call& call) {
  const Shape& x = call.shape(0);
  Numbers y = call.inputs[0];
  const std::string how = call.call.attributes.text("reduction", "none");
  const Shape picked = picked_shape(call);
  for_each_picked(call, x, picked, [&](const Shape& to, const Shape& at) {
    const double update = call.inputs.size() < 3 ? 0 : call.inputs[2][position(picked, at)];
    double& value = y[position(x, to)];
    value = how == "add"   ? value + update
            : how == "mul" ? value * update
            : how == "min" ? std::min(value, update)
            : how == "max" ? std::max(value, update)
                           : update;
  });
  return {y};
}

}  // namespace

std::vector<Definition> gather_definitions() {
  return {{"Embedding", gather},
          {"Gather", gather},
          {"GatherND", gather},
          {"GatherElements", gather},
          {"GatherGrad", gather_grad},
          {"GatherNDGrad", gather_grad},
          {"GatherElementsGrad", gather_grad},
          {"ScatterND", scatter},
          {"ScatterElements", scatter}};
}

}  // namespace mpsearch::reference
