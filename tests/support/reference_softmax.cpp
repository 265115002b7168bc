// Softmax, its logarithm and their gradients along one axis.
#include <algorithm>
#include <cmath>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// Calls f(positions of one row along the axis) for every row.
template <class F>
void for_each_row(const Call& call, F f) {
  const Shape& shape = call.shape(0);
  const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
  Shape rows = shape;
  rows[axis] = 1;
  for_each_index(rows, [&](Shape index) {
    std::vector<std::size_t> row;
    for (index[axis] = 0; index[axis] < shape[axis]; ++index[axis]) {
      row.push_back(position(shape, index));
    }
    f(row);
  });
}

template <bool Log>
std::vector<Numbers> softmax(const Call& call) {
  const Numbers& x = call.inputs[0];
  Numbers y(x.size());
  for_each_row(call, [&](const std::vector<std::size_t>& row) {
    double greatest = x[row[0]];
    for (const std::size_t i : row) greatest = std::max(greatest, x[i]);
    double sum = 0;
    for (const std::size_t i : row) sum += std::exp(x[i] - greatest);
    for (const std::size_t i : row) {
      y[i] = Log ? x[i] - greatest - std::log(sum) : std::exp(x[i] - greatest) / sum;
    }
  });
  return {y};
}

std::vector<Numbers> softmax_grad(const Call& call) {
  const Numbers& dy = call.inputs[0];
  const Numbers& y = call.inputs[1];
  Numbers dx(y.size());
  for_each_row(call, [&](const std::vector<std::size_t>& row) {
    double sum = 0;
    for (const std::size_t i : row) sum += dy[i] * y[i];
    for (const std::size_t i : row) dx[i] = y[i] * (dy[i] - sum);
  });
  return {dx};
}

std::vector<Numbers> log_softmax_grad(const Call& call) {
  const Numbers& dy = call.inputs[0];
  const Numbers& y = call.inputs[1];
  Numbers dx(y.size());
  for_each_row(call, [&](const std::vector<std::size_t>& row) {
    double sum = 0;
    for (const std::size_t i : row) sum += dy[i];
    for (const std::size_t i : row) dx[i] = dy[i] - std::exp(y[i]) * sum;
  });
  return {dx};
}

}  // namespace

std::vector<Definition> softmax_definitions() {
  return {{"Softmax", softmax<false>},
          {"SoftmaxGrad", softmax_grad},
          {"LogSoftmax", softmax<true>},
          {"LogSoftmaxGrad", log_softmax_grad}};
}

}  // namespace mpsearch::reference
