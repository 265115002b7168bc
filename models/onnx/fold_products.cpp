// Matrix products, running sums and diagonals of constants: tables of positions and angles.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/attributes.h"
#include "models/onnx/fold_rows.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

/// numpy's matmul of floats.
HostTensor product(const FoldCall& call) {
  const HostTensor &a = call.input(0), &b = call.input(1);
  require(a.real() && b.real(), ErrorKind::BadContent, "a matrix product of integers");
  require(!a.shape.empty() && !b.shape.empty(), ErrorKind::BadContent, "a product of scalars");
  Shape left = a.shape, right = b.shape;
  if (a.shape.size() == 1) left.insert(left.begin(), 1);
  if (b.shape.size() == 1) right.push_back(1);
  const Int rows = left[left.size() - 2], inner = left.back(), columns = right.back();
  require(right[right.size() - 2] == inner, ErrorKind::BadContent,
          "a matrix product of " + to_string(a.shape) + " and " + to_string(b.shape));
  const Shape left_batch(left.begin(), left.end() - 2), right_batch(right.begin(), right.end() - 2);
  const Shape batch = broadcast(left_batch, right_batch);
  const StridedIndex in_a(batch, broadcast_strides(left_batch, batch));
  const StridedIndex in_b(batch, broadcast_strides(right_batch, batch));
  Shape shape = batch;
  shape.insert(shape.end(), {rows, columns});
  HostTensor y = host_tensor(a.type, shape);
  for (Int i = 0; i < elements_of(shape); ++i) {
    const auto matrix = static_cast<std::size_t>(i / (rows * columns));
    const Int row = i / columns % rows, column = i % columns;
    double sum = 0;
    for (Int k = 0; k < inner; ++k) {
      sum += a.reals[static_cast<std::size_t>((in_a(matrix) * rows + row) * inner + k)] *
             b.reals[static_cast<std::size_t>((in_b(matrix) * inner + k) * columns + column)];
    }
    y.reals[static_cast<std::size_t>(i)] = rounded(a.type, sum);
  }
  if (b.shape.size() == 1) y.shape.pop_back();
  if (a.shape.size() == 1) y.shape.erase(y.shape.end() - (b.shape.size() == 1 ? 1 : 2));
  return y;
}

/// Running sums along the axis of input 1.
HostTensor running_sum(const FoldCall& call) {
  HostTensor y = call.input(0);
  const auto axis = static_cast<std::size_t>(
      axis_from_front(static_cast<Int>(call.input(1).number(0)), y.shape.size()));
  const bool exclusive = integer_of(call.node, "exclusive", 0) != 0;
  const bool reverse = integer_of(call.node, "reverse", 0) != 0;
  Int inner = 1;
  for (std::size_t i = axis + 1; i < y.shape.size(); ++i) inner *= y.shape[i];
  const Int length = y.shape[axis];
  const auto run = [&](auto& values) {
    for (Int start = 0; start < static_cast<Int>(values.size()); ++start) {
      if (start / inner % length != 0) continue;
      auto sum = values[0] - values[0];
      for (Int step = 0; step < length; ++step) {
        const Int at = start + (reverse ? length - 1 - step : step) * inner;
        auto& value = values[static_cast<std::size_t>(at)];
        const auto next = sum + value;
        value = exclusive ? sum : next;
        sum = next;
      }
    }
  };
  if (length == 0 || y.size() == 0) return y;
  if (y.real()) {
    run(y.reals);
    for (double& value : y.reals) value = rounded(y.type, value);
  } else {
    for (const Int value : y.integers) {
      require(std::max(value, -value) < Int{1} << 40, ErrorKind::BadContent,
              "a running sum of integers overflows");
    }
    run(y.integers);
  }
  return y;
}

/// Ones on a diagonal of the input's shape.
HostTensor eye(const FoldCall& call) {
  const HostTensor& like = call.input(0);
  require(like.shape.size() == 2, ErrorKind::BadContent,
          "a diagonal of " + to_string(like.shape) + ", expected a matrix");
  HostTensor y =
      host_tensor(static_cast<int>(integer_of(call.node, "dtype", like.type)), like.shape);
  const Int k = integer_of(call.node, "k", 0);
  for (Int row = 0; row < like.shape[0]; ++row) {
    const Int column = row + k;
    if (column < 0 || column >= like.shape[1]) continue;
    const auto at = static_cast<std::size_t>(row * like.shape[1] + column);
    if (y.real()) {
      y.reals[at] = 1;
    } else {
      y.integers[at] = 1;
    }
  }
  return y;
}

}  // namespace

std::vector<FoldRow> fold_product_rows() {
  return {{"MatMul", product}, {"CumSum", running_sum}, {"EyeLike", eye}};
}

}  // namespace mpsearch
