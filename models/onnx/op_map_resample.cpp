// Resize in all its opsets, Upsample, CumSum, Trilu.
#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;
using Reals = std::vector<double>;

/// Elements of an optional constant input; none where it is missing or empty.
Reals reals(NodeCall& call, std::size_t input) {
  return call.has(input) ? call.constant(input).reals : Reals{};
}

/// What the file says of every axis that it names, spread over all dimensions.
struct Sizes {
  Reals scales;
  Shape sizes;  // empty where they follow from the scales
  Reals roi;
};

Sizes read_sizes(NodeCall& call) {
  const std::string& op = call.node.op_type();
  if (op == "Upsample" && call.opset < 9) {
    const onnx::AttributeProto* scales = find_attribute(call.node, "scales");
    require(scales != nullptr, ErrorKind::BadContent, "its scales are missing");
    return {{scales->floats().begin(), scales->floats().end()}, {}, {}};
  }
  if (op == "Upsample" || call.opset < 11) return {reals(call, 1), {}, {}};
  return {reals(call, 2), call.has(3) ? call.constant(3).integers : Shape{}, reals(call, 1)};
}

template <class Values>
Values spread(const Values& values, const Shape& axes, Values all) {
  require(values.size() == axes.size(), ErrorKind::BadContent,
          std::to_string(values.size()) + " scales or sizes for " + std::to_string(axes.size()) +
              " axes");
  for (std::size_t i = 0; i < axes.size(); ++i) all[static_cast<std::size_t>(axes[i])] = values[i];
  return all;
}

/// keep_aspect_ratio_policy: one scale for all axes, sizes rounded to it.
void keep_aspect(const std::string& policy, const Shape& x, const Shape& axes, Sizes& of) {
  if (policy == "stretch" || of.sizes.empty()) return;
  double scale = 0;
  for (const Int axis : axes) {
    const auto dim = static_cast<std::size_t>(axis);
    const double own = static_cast<double>(of.sizes[dim]) / static_cast<double>(x[dim]);
    const bool first = scale == 0;
    scale = first ? own : policy == "not_larger" ? std::min(scale, own) : std::max(scale, own);
  }
  of.scales.assign(x.size(), 1);
  for (const Int axis : axes) {
    const auto dim = static_cast<std::size_t>(axis);
    of.scales[dim] = scale;
    of.sizes[dim] = static_cast<Int>(std::floor(scale * static_cast<double>(x[dim]) + 0.5));
  }
}

Sizes sizes_of(NodeCall& call) {
  const Shape& x = call.shape(0);
  Sizes of = read_sizes(call);
  Shape axes = integers_of(call.node, "axes");
  for (Int& axis : axes) axis = axis_from_front(axis, x.size());
  for (std::size_t i = 0; axes.size() < x.size() && integers_of(call.node, "axes").empty(); ++i) {
    axes.push_back(static_cast<Int>(i));
  }
  require(!of.scales.empty() || !of.sizes.empty(), ErrorKind::BadContent,
          "neither scales nor sizes are given");
  if (!of.sizes.empty()) {
    of.scales.clear();
    of.sizes = spread(of.sizes, axes, x);
    // A file of a fixed batch writes it here too.
    const bool literal = call.scope.written_batch > 0 && of.sizes[0] == call.scope.written_batch;
    if (literal) of.sizes[0] = x[0];
    keep_aspect(text_of(call.node, "keep_aspect_ratio_policy", "stretch"), x, axes, of);
  } else {
    of.scales = spread(of.scales, axes, Reals(x.size(), 1));
    for (std::size_t i = 0; i < x.size(); ++i) {
      // In F32, as ONNX's shape inference.
      const float size = std::floor(static_cast<float>(of.scales[i]) * static_cast<float>(x[i]));
      require(size >= 1 && size < 0x1p31F, ErrorKind::BadContent,
              "a scale of " + std::to_string(of.scales[i]) + " for " + to_string(x));
      of.sizes.push_back(static_cast<Int>(size));
    }
  }
  if (text_of(call.node, "coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    const std::size_t count = axes.size();
    require(of.roi.size() == 2 * count, ErrorKind::BadContent, "its region does not fit its axes");
    const auto middle = of.roi.begin() + static_cast<std::ptrdiff_t>(count);
    const Reals begin = spread(Reals(of.roi.begin(), middle), axes, Reals(x.size(), 0));
    const Reals end = spread(Reals(middle, of.roi.end()), axes, Reals(x.size(), 1));
    of.roi = begin;
    of.roi.insert(of.roi.end(), end.begin(), end.end());
  } else {
    of.roi.clear();
  }
  return of;
}

void resize(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  const Sizes of = sizes_of(call);
  const bool old = call.node.op_type() == "Upsample" || call.opset < 11;
  std::string mode = text_of(call.node, "mode", "nearest");
  if (mode == "bilinear") mode = "linear";
  if (of.sizes == call.shape(0) && of.roi.empty()) return call.alias(0);
  Attributes attributes{
      {"shape", of.sizes},
      {"mode", mode},
      {"coordinate_transformation_mode",
       old ? "asymmetric" : text_of(call.node, "coordinate_transformation_mode", "half_pixel")}};
  if (!of.scales.empty()) attributes.set("scales", of.scales);
  if (mode == "nearest") {
    attributes.set("nearest_mode",
                   old ? "floor" : text_of(call.node, "nearest_mode", "round_prefer_floor"));
  }
  if (mode == "cubic") {
    attributes.set("cubic_coeff_a", number_of(call.node, "cubic_coeff_a", -0.75));
  }
  for (const char* flag : {"exclude_outside", "antialias"}) {
    if (integer_of(call.node, flag, 0) != 0) attributes.set(flag, Int{1});
  }
  if (!of.roi.empty()) {
    attributes.set("roi", of.roi);
    attributes.set("extrapolation_value", number_of(call.node, "extrapolation_value", 0));
  }
  call.result(call.emit("Resize", {call.data(0)}, attributes));
}

void cumsum(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  const Int axis = axis_from_front(static_cast<Int>(call.scalar(1)), call.rank(0));
  call.result(call.emit("CumSum", {call.data(0)},
                        {{"axis", axis},
                         {"exclusive", integer_of(call.node, "exclusive", 0)},
                         {"reverse", integer_of(call.node, "reverse", 0)}}));
}

void trilu(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  const double k = call.has(1) ? call.scalar(1) : 0;
  require(std::fabs(k) < 0x1p31, ErrorKind::BadContent, "its diagonal is " + std::to_string(k));
  call.result(
      call.emit("Trilu", {call.data(0)},
                {{"k", static_cast<Int>(k)}, {"upper", integer_of(call.node, "upper", 1)}}));
}

}  // namespace

std::vector<OpRow> resample_rows() {
  return {{"Resize", 10, resize},
          {"Upsample", 7, resize},
          {"CumSum", 11, cumsum},
          {"Trilu", 14, trilu}};
}

}  // namespace mpsearch
