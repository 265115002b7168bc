#include "kernels/resample.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace mpsearch {
namespace {

/// One dimension of a Resize.
struct Axis {
  std::string mode, coordinates, nearest;
  double scale = 1, cubic = -0.75;
  double begin = 0, end = 1;  // of the region, as shares
  bool exclude = false, antialias = false;
  std::int64_t input = 1, output = 1;
};

Axis axis_of(const Attributes& attributes, std::size_t dim, std::int64_t input,
             std::int64_t output) {
  Axis axis{.mode = attributes.text("mode", "nearest"),
            .coordinates = attributes.text("coordinate_transformation_mode", "half_pixel"),
            .nearest = attributes.text("nearest_mode", "round_prefer_floor"),
            .cubic = attributes.number("cubic_coeff_a", -0.75),
            .exclude = attributes.integer("exclude_outside", 0) != 0,
            .antialias = attributes.integer("antialias", 0) != 0,
            .input = input,
            .output = output};
  const std::vector<double> scales = attributes.numbers("scales"), roi = attributes.numbers("roi");
  axis.scale =
      dim < scales.size() ? scales[dim] : static_cast<double>(output) / static_cast<double>(input);
  if (roi.size() > dim + roi.size() / 2) {
    axis.begin = roi[dim];
    axis.end = roi[dim + roi.size() / 2];
  }
  return axis;
}

/// Where output position `at` lies between the source positions.
double coordinate(const Axis& axis, double at) {
  const auto input = static_cast<double>(axis.input);
  const double output = axis.scale * input;
  const double half = (at + 0.5) / axis.scale - 0.5;
  if (axis.coordinates == "asymmetric") return at / axis.scale;
  if (axis.coordinates == "tf_half_pixel_for_nn") return (at + 0.5) / axis.scale;
  if (axis.coordinates == "align_corners") {
    return output == 1 ? 0 : at * (input - 1) / (output - 1);
  }
  if (axis.coordinates == "pytorch_half_pixel") return output == 1 ? -0.5 : half;
  if (axis.coordinates == "half_pixel_symmetric") {
    return input / 2 * (1 - static_cast<double>(axis.output) / output) + half;
  }
  if (axis.coordinates == "tf_crop_and_resize") {
    const double span = (axis.end - axis.begin) * (input - 1);
    return axis.begin * (input - 1) + (output == 1 ? span / 2 : at * span / (output - 1));
  }
  return half;
}

/// Keys' cubic convolution.
double cubic(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/// Weights of the source positions from `first` on, which may lie beyond the ends.
struct Weights {
  std::int64_t first = 0;
  std::vector<double> weight;
};

Weights weights_at(const Axis& axis, double x) {
  // `below` is the last position before x, `ratio` in (0, 1] the way from it to x.
  const auto below = static_cast<std::int64_t>(std::ceil(x)) - 1;
  const double ratio = x - static_cast<double>(below);
  if (axis.mode == "nearest") {
    const bool up = ratio == 1 || axis.nearest == "ceil" ||
                    (axis.nearest == "round_prefer_floor" && ratio > 0.5) ||
                    (axis.nearest == "round_prefer_ceil" && ratio >= 0.5);
    return {below + (up ? 1 : 0), {1}};
  }
  const bool is_cubic = axis.mode == "cubic";
  const double shrink = axis.antialias ? std::min(axis.scale, 1.0) : 1;
  const std::int64_t start =
      static_cast<std::int64_t>(std::floor((is_cubic ? -2 : -1) / shrink)) + 1;
  Weights weights{below + start, {}};
  double sum = 0;
  for (std::int64_t i = start; i < 2 - start; ++i) {
    const double away = (static_cast<double>(i) - ratio) * shrink;
    weights.weight.push_back(is_cubic ? cubic(away, axis.cubic)
                                      : std::max(0.0, 1 - std::fabs(away)));
    sum += weights.weight.back();
  }
  for (double& weight : weights.weight) weight /= sum;
  return weights;
}

}  // namespace

Taps resize_taps(const Attributes& attributes, std::size_t dim, std::int64_t input,
                 std::int64_t output) {
  const Axis axis = axis_of(attributes, dim, input, output);
  const bool crops = axis.coordinates == "tf_crop_and_resize";
  Taps taps;
  for (std::int64_t at = 0; at < output; ++at) {
    taps.begin.push_back(static_cast<std::int64_t>(taps.index.size()));
    const double x = coordinate(axis, static_cast<double>(at));
    const bool outside = crops && (x < 0 || x > static_cast<double>(input - 1));
    if (crops) taps.outside.push_back(outside);
    if (outside) continue;
    const Weights weights = weights_at(axis, x);
    std::map<std::int64_t, double> held;  // what lies beyond an end reads the end
    double sum = 0;
    for (std::size_t i = 0; i < weights.weight.size(); ++i) {
      const std::int64_t from = weights.first + static_cast<std::int64_t>(i);
      const std::int64_t clamped = std::clamp<std::int64_t>(from, 0, input - 1);
      if (axis.exclude && clamped != from) continue;
      held[clamped] += weights.weight[i];
      sum += weights.weight[i];
    }
    for (const auto& [index, weight] : held) {
      if (weight == 0) continue;
      taps.index.push_back(index);
      taps.weight.push_back(static_cast<float>(axis.exclude ? weight / sum : weight));
    }
  }
  taps.begin.push_back(static_cast<std::int64_t>(taps.index.size()));
  return taps;
}

Taps inverse_of(const Taps& taps, std::int64_t input) {
  Taps inverse;
  inverse.begin.assign(static_cast<std::size_t>(input) + 1, 0);
  for (const std::int64_t index : taps.index) ++inverse.begin[static_cast<std::size_t>(index) + 1];
  for (std::size_t i = 1; i < inverse.begin.size(); ++i) inverse.begin[i] += inverse.begin[i - 1];
  inverse.index.resize(taps.index.size());
  inverse.weight.resize(taps.index.size());
  std::vector<std::int64_t> next(inverse.begin.begin(), inverse.begin.end() - 1);
  for (std::int64_t at = 0; at < taps.positions(); ++at) {
    for (std::int64_t k = taps.first(at); k < taps.first(at + 1); ++k) {
      const auto tap = static_cast<std::size_t>(k);
      const auto to = static_cast<std::size_t>(next[static_cast<std::size_t>(taps.index[tap])]++);
      inverse.index[to] = at;
      inverse.weight[to] = taps.weight[tap];
    }
  }
  return inverse;
}

}  // namespace mpsearch
