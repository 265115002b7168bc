// Gathers, their gradients and scatters: one index at a time.
#include <algorithm>
#include <string>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// Calls f(index into x, index into what is picked) for every picked element.
template <class F>
void for_each_picked(const Call& call, const Shape& x, const Shape& picked, F f,
                     std::size_t indices = 1) {
  const std::string op = call.call.op;
  const Shape& shape = call.shape(indices);
  const Numbers& numbers = call.inputs[indices];
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

/// What indices of this family pick from x; `at`: input that holds x, the indices follow.
Shape picked_shape(const Call& call, std::size_t at = 0) {
  const Shape &x = call.shape(at), &index = call.shape(at + 1);
  if (call.call.op.starts_with("ScatterElements")) return index;
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

/// d result / d values[k] of what meets in one place.
double derivative(const std::string& how, const Numbers& values, std::size_t k) {
  if (how == "mul") {
    double product = 1;
    for (std::size_t i = 0; i < values.size(); ++i) product *= i == k ? 1 : values[i];
    return product;
  }
  const double kept = how == "max" ? *std::max_element(values.begin(), values.end())
                                   : *std::min_element(values.begin(), values.end());
  const auto equals = std::count(values.begin(), values.end(), kept);
  return values[k] == kept ? 1 / static_cast<double>(equals) : 0;
}

std::vector<Numbers> scatter_grad(const Call& call) {
  const Shape &x = call.shape(1), &updates = call.shape(3);
  const std::string how = call.call.attributes.text("reduction", "");
  std::vector<Numbers> met;  // by place: x, then its updates
  for (const double value : call.inputs[1]) met.push_back({value});
  std::vector<std::vector<std::size_t>> from(met.size());
  const auto meet = [&](const Shape& to, const Shape& at) {
    met[position(x, to)].push_back(call.inputs[3][position(updates, at)]);
    from[position(x, to)].push_back(position(updates, at));
  };
  for_each_picked(call, x, picked_shape(call, 1), meet, 2);
  Numbers dx, dupdates(call.inputs[3].size(), 0);
  for (std::size_t place = 0; place < met.size(); ++place) {
    const double dy = call.inputs[0][place];
    dx.push_back(dy * derivative(how, met[place], 0));
    for (std::size_t k = 0; k < from[place].size(); ++k) {
      dupdates[from[place][k]] = dy * derivative(how, met[place], k + 1);
    }
  }
  return {dx, dupdates};
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
          {"ScatterElements", scatter},
          {"ScatterNDGrad", scatter_grad},
          {"ScatterElementsGrad", scatter_grad}};
}

}  // namespace mpsearch::reference
