// Resize as one matrix a dimension, whose rows follow from the interpolating function; CumSum and
// Trilu element by element.
#include <algorithm>
#include <cmath>
#include <string>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// Keys' function, piece by piece.
double keys(double d, double a) {
  d = std::fabs(d);
  if (d < 1) return (a + 2) * std::pow(d, 3) - (a + 3) * std::pow(d, 2) + 1;
  if (d < 2) return a * std::pow(d, 3) - 5 * a * std::pow(d, 2) + 8 * a * d - 4 * a;
  return 0;
}

/// ONNX's table of coordinate transformations.
double source_of(const Call& call, const std::string& mode, std::size_t d, double at, double in,
                 double out, double scale) {
  const double length = in * scale;
  if (mode == "asymmetric") return at / scale;
  if (mode == "tf_half_pixel_for_nn") return (at + 0.5) / scale;
  if (mode == "align_corners") return length == 1 ? 0 : at * (in - 1) / (length - 1);
  if (mode == "pytorch_half_pixel" && length <= 1) return -0.5;
  if (mode == "half_pixel_symmetric") {
    return in / 2 * (1 - out / length) + (at + 0.5) / scale - 0.5;
  }
  if (mode == "tf_crop_and_resize") {
    const std::vector<double> roi = call.call.attributes.numbers("roi");
    const double start = roi[d], end = roi[d + roi.size() / 2];
    return length == 1 ? 0.5 * (start + end) * (in - 1)
                       : start * (in - 1) + at * (end - start) * (in - 1) / (length - 1);
  }
  return (at + 0.5) / scale - 0.5;
}

struct Matrix {
  std::vector<Numbers> rows;  // one for each output position
  std::vector<bool> outside;
};

double nearest_of(const std::string& mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  return mode == "round_prefer_ceil" ? std::floor(x + 0.5) : std::ceil(x - 0.5);
}

Numbers row_of(const Call& call, double x, double scale, std::int64_t in) {
  const Attributes& attributes = call.call.attributes;
  const std::string mode = attributes.text("mode", "nearest");
  const double shrink = call.integer("antialias", 0) != 0 ? std::min(1.0, scale) : 1;
  Numbers row(static_cast<std::size_t>(in), 0);
  double sum = 0;
  for (std::int64_t j = -200; j < in + 200; ++j) {
    const double away = (static_cast<double>(j) - x) * shrink;
    double weight = std::max(0.0, 1 - std::fabs(away));
    if (mode == "cubic") weight = keys(away, call.number("cubic_coeff_a", -0.75));
    if (mode == "nearest") {
      const std::string rounds = attributes.text("nearest_mode", "round_prefer_floor");
      weight = static_cast<double>(j) == nearest_of(rounds, x) ? 1 : 0;
    }
    const std::int64_t held = std::clamp<std::int64_t>(j, 0, in - 1);
    if (held != j && call.integer("exclude_outside", 0) != 0) continue;
    row[static_cast<std::size_t>(held)] += weight;
    sum += weight;
  }
  for (double& weight : row) weight /= sum;
  return row;
}

Matrix matrix_of(const Call& call, std::size_t d, std::int64_t in, std::int64_t out) {
  const std::vector<double> scales = call.call.attributes.numbers("scales");
  const double scale =
      scales.empty() ? static_cast<double>(out) / static_cast<double>(in) : scales[d];
  const std::string mode =
      call.call.attributes.text("coordinate_transformation_mode", "half_pixel");
  Matrix matrix;
  for (std::int64_t at = 0; at < out; ++at) {
    const double x = source_of(call, mode, d, static_cast<double>(at), static_cast<double>(in),
                               static_cast<double>(out), scale);
    matrix.outside.push_back(mode == "tf_crop_and_resize" &&
                             (x < 0 || x > static_cast<double>(in - 1)));
    matrix.rows.push_back(matrix.outside.back() ? Numbers(static_cast<std::size_t>(in), 0)
                                                : row_of(call, x, scale, in));
  }
  return matrix;
}

/// One dimension of `values` times the matrix, or its transpose.
Numbers multiplied(const Numbers& values, Shape& shape, std::size_t d, const Matrix& matrix,
                   bool transposed) {
  Shape to = shape;
  to[d] = static_cast<std::int64_t>(transposed ? matrix.rows[0].size() : matrix.rows.size());
  Numbers result(count_of(to), 0);
  for_each_index(to, [&](const Shape& index) {
    Shape from = index;
    for (from[d] = 0; from[d] < shape[d]; ++from[d]) {
      const auto row = static_cast<std::size_t>(transposed ? from[d] : index[d]);
      const auto column = static_cast<std::size_t>(transposed ? index[d] : from[d]);
      result[position(to, index)] += matrix.rows[row][column] * values[position(shape, from)];
    }
  });
  shape = to;
  return result;
}

std::vector<Numbers> resize(const Call& call) {
  const Shape x = call.shape(0), y_shape = call.call.attributes.integers("shape");
  Numbers y = call.inputs[0];
  Shape shape = x;
  std::vector<Matrix> matrices;
  for (std::size_t d = 0; d < x.size(); ++d) {
    matrices.push_back(matrix_of(call, d, x[d], y_shape[d]));
    y = multiplied(y, shape, d, matrices[d], false);
  }
  for_each_index(y_shape, [&](const Shape& index) {
    for (std::size_t d = 0; d < x.size(); ++d) {
      if (!matrices[d].outside[static_cast<std::size_t>(index[d])]) continue;
      y[position(y_shape, index)] = call.number("extrapolation_value", 0);
    }
  });
  return {y};
}

std::vector<Numbers> resize_grad(const Call& call) {
  const Shape x = call.call.attributes.integers("input_shape");
  Shape shape = call.shape(0);
  Numbers dx = call.inputs[0];
  for (std::size_t d = 0; d < x.size(); ++d) {
    dx = multiplied(dx, shape, d, matrix_of(call, d, x[d], call.shape(0)[d]), true);
  }
  return {dx};
}

std::vector<Numbers> cumsum(const Call& call) {
  const Shape& shape = call.shape(0);
  const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
  const bool exclusive = call.integer("exclusive", 0) != 0;
  const bool reverse = call.integer("reverse", 0) != 0;
  Numbers y;
  for_each_index(shape, [&](const Shape& index) {
    double sum = 0;
    Shape from = index;
    for (from[axis] = 0; from[axis] < shape[axis]; ++from[axis]) {
      const std::int64_t ahead = reverse ? from[axis] - index[axis] : index[axis] - from[axis];
      if (ahead > 0 || (ahead == 0 && !exclusive)) sum += call.inputs[0][position(shape, from)];
    }
    y.push_back(sum);
  });
  return {y};
}

std::vector<Numbers> trilu(const Call& call) {
  const Shape& shape = call.shape(0);
  const std::int64_t k = call.integer("k", 0);
  const bool upper = call.integer("upper", 1) != 0;
  Numbers y;
  for_each_index(shape, [&](const Shape& index) {
    const std::int64_t diagonal = index[shape.size() - 1] - index[shape.size() - 2];
    const bool keeps = upper ? diagonal >= k : diagonal <= k;
    y.push_back(keeps ? call.inputs[0][position(shape, index)] : 0);
  });
  return {y};
}

}  // namespace

std::vector<Definition> resample_definitions() {
  return {{"Resize", resize}, {"ResizeGrad", resize_grad}, {"CumSum", cumsum}, {"Trilu", trilu}};
}

}  // namespace mpsearch::reference
