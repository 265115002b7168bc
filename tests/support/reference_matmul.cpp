// numpy.matmul with the transpositions, factors and bias of Gemm.
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// A matrix operand of any rank: element (row, column) of the batch at `index`.
struct Operand {
  const Numbers& values;
  Shape batch;
  std::int64_t rows, columns;
  bool transposed;

  double at(const Shape& index, std::int64_t row, std::int64_t column) const {
    if (transposed) std::swap(row, column);
    const auto matrix = static_cast<std::int64_t>(broadcast_position(batch, index));
    return values[static_cast<std::size_t>((matrix * rows + row) * columns + column)];
  }
};

Operand operand(const Numbers& values, Shape shape, bool transposed, bool left) {
  if (shape.size() == 1) shape.insert(left ? shape.begin() : shape.end(), 1);
  return {values, Shape(shape.begin(), shape.end() - 2), shape[shape.size() - 2], shape.back(),
          transposed};
}

std::vector<Numbers> matmul(const Call& call) {
  const Operand a = operand(call.inputs[0], call.shape(0), call.integer("transA", 0) != 0, true);
  const Operand b = operand(call.inputs[1], call.shape(1), call.integer("transB", 0) != 0, false);
  const std::int64_t rows = a.transposed ? a.columns : a.rows;
  const std::int64_t inner = a.transposed ? a.rows : a.columns;
  const std::int64_t columns = b.transposed ? b.rows : b.columns;
  const Shape& y_shape = call.call.outputs[0].shape;
  Shape batch = y_shape;
  if (call.shape(0).size() > 1) batch.pop_back();
  if (call.shape(1).size() > 1) batch.pop_back();

  Numbers y;
  for_each_index(batch, [&](const Shape& index) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < inner; ++k) sum += a.at(index, i, k) * b.at(index, k, j);
        y.push_back(call.number("alpha", 1) * sum);
      }
    }
  });
  if (call.inputs.size() > 2) {
    for_each_index(y_shape, [&](const Shape& index) {
      y[position(y_shape, index)] +=
          call.number("beta", 1) * call.inputs[2][broadcast_position(call.shape(2), index)];
    });
  }
  return {y};
}

}  // namespace

std::vector<Definition> matmul_definitions() { return {{"MatMul", matmul}}; }

}  // namespace mpsearch::reference
