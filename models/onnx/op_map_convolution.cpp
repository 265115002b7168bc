// Convolution, pooling and batch normalization.
#include <algorithm>
#include <functional>

#include "kernels/error.h"
#include "models/onnx/op_map.h"
#include "models/onnx/shape_rules.h"
#include "models/op.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;
constexpr Int kLargestStep = Int{1} << 31;

/// Strides or dilations: positive, and small enough to be multiplied.
Shape or_ones(Shape values, std::size_t count) {
  for (const Int value : values) {
    require(value >= 1 && value <= kLargestStep, ErrorKind::BadContent,
            "strides or dilations of " + to_string(values));
  }
  return values.empty() ? Shape(count, 1) : std::move(values);
}

/// begin..., end... of a window over `x`, auto_pad resolved. SAME pads so that every stride starts
/// a window (ceil(size / stride) of them); UPPER puts an odd element at the end.
Shape pads_of(const NodeCall& call, const Shape& x, const Shape& kernel, const Shape& strides,
              const Shape& dilations) {
  const std::string mode = text_of(call.node, "auto_pad", "NOTSET");
  const std::size_t rank = kernel.size();
  if (mode == "VALID") return Shape(2 * rank, 0);
  if (mode == "NOTSET") {
    Shape pads = integers_of(call.node, "pads");
    for (const Int pad : pads) {
      require(pad >= 0 && pad <= kLargestStep, ErrorKind::BadContent, "pads of " + to_string(pads));
    }
    return pads.empty() ? Shape(2 * rank, 0) : pads;
  }
  require(mode == "SAME_UPPER" || mode == "SAME_LOWER", ErrorKind::BadContent,
          "auto_pad is '" + mode + "'");
  require(x.size() == rank + 2 && strides.size() == rank && dilations.size() == rank,
          ErrorKind::BadContent, "strides or dilations do not fit " + to_string(x));
  Shape pads(2 * rank, 0);
  for (std::size_t i = 0; i < rank; ++i) {
    const Int windows = (x[i + 2] + strides[i] - 1) / strides[i];
    const Int reach = (kernel[i] - 1) * dilations[i] + 1;
    const Int all = std::max<Int>(0, (windows - 1) * strides[i] + reach - x[i + 2]);
    const Int small = all / 2;
    pads[i] = mode == "SAME_UPPER" ? small : all - small;
    pads[i + rank] = all - pads[i];
  }
  return pads;
}

/// What kernels exist for: one to three spatial dimensions.
void require_image(const NodeCall& call, const char* what) {
  if (call.rank(0) < 3 || call.rank(0) > 5) {
    call.refuse(std::string(what) + " of 1 to 3 spatial dimensions alone, got data of shape " +
                to_string(call.shape(0)));
  }
}

void convolution(NodeCall& call) {
  require_image(call, "convolutions");
  const Shape w = call.shape(1);
  require(w.size() == call.rank(0), ErrorKind::BadContent,
          "weights of shape " + to_string(w) + " for data of shape " + to_string(call.shape(0)));
  const Shape kernel(w.begin() + 2, w.end());
  const Shape strides = or_ones(integers_of(call.node, "strides"), kernel.size());
  const Shape dilations = or_ones(integers_of(call.node, "dilations"), kernel.size());
  std::vector<ValueId> inputs{call.data(0), call.weight(1)};
  if (call.has(2) && !call.is_zero(2)) inputs.push_back(call.weight(2));
  call.result(call.emit("Conv", inputs,
                        {{"strides", strides},
                         {"dilations", dilations},
                         {"pads", pads_of(call, call.shape(0), kernel, strides, dilations)},
                         {"group", integer_of(call.node, "group", 1)}}));
}

/// Pads from auto_pad or output_shape where those decide (ONNX, ConvTranspose); what ends up beyond
/// the end is output_padding.
Attributes transposed_attributes(const NodeCall& call, const Shape& x, const Shape& kernel) {
  const std::size_t rank = kernel.size();
  const Shape strides = or_ones(integers_of(call.node, "strides"), rank);
  const Shape dilations = or_ones(integers_of(call.node, "dilations"), rank);
  const std::string mode = text_of(call.node, "auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  Shape wanted = integers_of(call.node, "output_shape");
  Shape extra = integers_of(call.node, "output_padding");
  if (extra.empty()) extra.assign(rank, 0);
  // Some files write batch and channels too.
  if (wanted.size() == rank + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
  require(strides.size() == rank && dilations.size() == rank && extra.size() == rank &&
              (wanted.empty() || wanted.size() == rank),
          ErrorKind::BadContent, "its attributes do not fit data of shape " + to_string(x));
  Shape pads = mode == "NOTSET" && wanted.empty() ? pads_of(call, x, kernel, strides, dilations)
                                                  : Shape(2 * rank, 0);
  for (std::size_t i = 0; (same || !wanted.empty()) && i < rank; ++i) {
    const Int reach = (kernel[i] - 1) * dilations[i] + 1;
    const Int size = wanted.empty() ? x[i + 2] * strides[i] : wanted[i];
    const Int all = strides[i] * (x[i + 2] - 1) + extra[i] + reach - size;
    const Int small = std::max<Int>(0, all) / 2;
    pads[i] = mode == "SAME_UPPER" ? small : std::max<Int>(0, all) - small;
    pads[i + rank] = std::max<Int>(0, all) - pads[i];
    extra[i] += std::max<Int>(0, -all);
  }
  return {{"strides", strides},
          {"dilations", dilations},
          {"pads", pads},
          {"output_padding", extra},
          {"group", integer_of(call.node, "group", 1)}};
}

void transposed_convolution(NodeCall& call) {
  require_image(call, "transposed convolutions");
  const Shape w = call.shape(1);
  require(w.size() == call.rank(0), ErrorKind::BadContent,
          "weights of shape " + to_string(w) + " for data of shape " + to_string(call.shape(0)));
  std::vector<ValueId> inputs{call.data(0), call.weight(1)};
  if (call.has(2) && !call.is_zero(2)) inputs.push_back(call.weight(2));
  const Attributes attributes =
      transposed_attributes(call, call.shape(0), Shape(w.begin() + 2, w.end()));
  call.result(call.emit("ConvTranspose", inputs, attributes));
}

/// The maximum of integers, which F32 holds exactly.
void integer_max_pool(NodeCall& call) {
  const int type = call.symbol(0).type;
  if (type != onnx::TensorProto::INT8 && type != onnx::TensorProto::UINT8) {
    call.refuse("integer tensors as data");
  }
  require_image(call, "pools");
  if (call.uses_output(1)) call.refuse("the places of integers");
  const ValueId x = call.emit("CastTo", {call.integer(0)}, {{"to", std::string("F32")}}, "f32");
  const ValueId y = call.emit("MaxPool", {x}, window_attributes(call));
  const ValueId integers = call.emit("CastTo", {y}, {{"to", std::string("I64")}}, "i64");
  call.scope.define_value(call.node.output(0), integers, type);
}

void max_pool(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) return integer_max_pool(call);
  require_image(call, "pools");
  const Shape& x = call.shape(0);
  const Attributes window = window_attributes(call);
  const Shape kernel = window.integers("kernel_shape");
  const Shape pads = window.integers("pads");
  const bool whole = std::equal(x.begin() + 2, x.end(), kernel.begin(), kernel.end()) &&
                     std::all_of(pads.begin(), pads.end(), [](Int pad) { return pad == 0; });
  if (whole && !call.uses_output(1)) {
    // One maximum of all pixels: its place may not fit a byte.
    Shape axes;
    for (std::size_t i = 2; i < x.size(); ++i) axes.push_back(static_cast<Int>(i));
    return call.result(call.emit("ReduceMax", {call.data(0)}, {{"axes", axes}}));
  }
  const ValueId y = call.emit("MaxPool", {call.data(0)}, window);
  if (call.uses_output(1)) {
    Attributes places = window;
    places.set("input_shape", x);
    places.set("storage_order", integer_of(call.node, "storage_order", 0));
    call.result(1, call.emit("MaxPoolPlaces", {call.scope.further_output(y, 1)}, places, "places"));
  }
  call.result(y);
}

/// The window's inverse where nothing was cut off; `output_shape` says what was.
Shape unpooled_shape(NodeCall& call) {
  const Shape& x = call.shape(0);
  const Shape kernel = integers_of(call.node, "kernel_shape");
  const Shape strides = or_ones(integers_of(call.node, "strides"), kernel.size());
  const Shape pads = pads_of(call, x, kernel, strides, Shape(kernel.size(), 1));
  Shape y{x[0], x[1]};
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    y.push_back((x[i + 2] - 1) * strides[i] + kernel[i] - pads[i] - pads[i + kernel.size()]);
  }
  return y;
}

/// Shape of the tensor that the positions in a MaxUnpool's second input count in, where a MaxPool
/// of this model gave them; else empty.
Shape pooled_from(const NodeCall& call, ValueId places) {
  const Graph& graph = call.scope.model.graph;
  const NodeId producer = graph.value(places).producer;
  if (producer == kNone || graph.node(producer).op->name != "MaxPoolPlaces") return {};
  return graph.node(producer).attributes.integers("input_shape");
}

/// Zeros with each element where its position says. Positions count in the input of the MaxPool
/// that gave them, those of other origin in the window's inverse (ONNX's test data); what
/// `output_shape` has beyond lies at the end.
void max_unpool(NodeCall& call) {
  if (!onnx_is_float(call.symbol(0).type)) call.refuse("integer tensors as data");
  require_image(call, "pools");
  const ValueId places = call.integer(1);
  require(call.shape(1) == call.shape(0), ErrorKind::BadContent,
          "its positions have shape " + to_string(call.shape(1)) + ", its data " +
              to_string(call.shape(0)));
  const Shape inverse = unpooled_shape(call);
  const Shape y = call.has(2) ? call.constant(2).integers : inverse;
  const Shape from = pooled_from(call, places);
  const Shape& counted = from.empty() ? inverse : from;
  if (!std::ranges::equal(y, counted, std::greater_equal<>())) {
    call.refuse("its positions count in " + to_string(counted) + ", its output has shape " +
                to_string(y));
  }
  const Shape flat{elements_of(counted)};
  const Shape given{elements_of(call.shape(0))};
  const ValueId zeros =
      call.emit("BroadcastTo", {call.scope.filled(0, {1}, call.node.name() + ".zero")},
                {{"shape", flat}}, "zeros");
  const ValueId placed = call.emit(
      "ScatterElements",
      {zeros, call.view(places, given, "positions"), call.view(call.data(0), given, "elements")},
      {{"axis", Int{0}}});
  const ValueId image = call.view(placed, counted, "image");
  if (y == counted) return call.result(image);
  Shape pads(2 * y.size(), 0);
  for (std::size_t i = 0; i < y.size(); ++i) pads[y.size() + i] = y[i] - counted[i];
  call.result(call.emit("Pad", {image}, {{"pads", pads}}, "beyond"));
}

void average_pool(NodeCall& call) {
  require_image(call, "pools");
  Attributes attributes = window_attributes(call);
  attributes.set("count_include_pad", integer_of(call.node, "count_include_pad", 0));
  call.result(call.emit("AveragePool", {call.data(0)}, attributes));
}

void global_average_pool(NodeCall& call) {
  call.result(call.emit("GlobalAveragePool", {call.data(0)}));
}

bool uses_statistics(const NodeCall& call) {
  for (int output = 1; output < call.node.output_size(); ++output) {
    if (call.uses_output(output)) return true;
  }
  return false;
}

/// A node whose statistics are read has those of the batch in evaluation too, as its file says;
/// it changes no running ones, but shows what they would become.
void batch_statistics(NodeCall& call, ValueId y) {
  const double momentum = number_of(call.node, "momentum", 0.9);
  for (const int which : {1, 2}) {
    const ValueId batch = call.scope.further_output(y, which);
    const std::string name = which == 1 ? "mean" : "variance";
    if (call.uses_output(which)) {
      const ValueId before = call.emit("Scale", {call.data(static_cast<std::size_t>(which) + 2)},
                                       {{"factor", momentum}}, "running_" + name + ".before");
      const ValueId now =
          call.emit("Scale", {batch}, {{"factor", 1 - momentum}}, "running_" + name + ".now");
      call.result(which, call.emit("Add", {before, now}, {}, "running_" + name));
    }
    if (call.uses_output(which + 2)) call.result(which + 2, batch);
  }
  ++call.scope.noted
        ["{} BatchNormalization nodes keep the statistics of the batch in evaluation: "
         "they are read"];
}

/// Trains with batch statistics, whatever mode the file was exported in.
void batch_normalization(NodeCall& call) {
  if (call.opset < 9 && integer_of(call.node, "spatial", 1) == 0) {
    call.refuse("statistics for each element (spatial = 0)");
  }
  const std::vector<ValueId> inputs{call.data(0), call.weight(1), call.weight(2)};
  const ValueId y =
      call.emit("BatchNormalization", inputs, {{"epsilon", number_of(call.node, "epsilon", 1e-5)}});
  call.result(y);
  if (uses_statistics(call)) return batch_statistics(call, y);
  call.scope.model.running_statistics.push_back(
      {.node = static_cast<NodeId>(call.scope.model.graph.nodes.size()) - 1,
       .mean = call.statistic(3, false),
       .variance = call.statistic(4, true),
       .momentum = number_of(call.node, "momentum", 0.9)});
  ++call.scope.noted["{} BatchNormalization nodes train with the statistics of the batch"];
}

}  // namespace

Attributes window_attributes(const NodeCall& call) {
  const Shape kernel = integers_of(call.node, "kernel_shape");
  const Shape strides = or_ones(integers_of(call.node, "strides"), kernel.size());
  const Shape dilations = or_ones(integers_of(call.node, "dilations"), kernel.size());
  return {{"kernel_shape", kernel},
          {"strides", strides},
          {"pads", pads_of(call, call.shape(0), kernel, strides, dilations)},
          {"dilations", dilations},
          {"ceil_mode", integer_of(call.node, "ceil_mode", 0)}};
}

std::vector<OpRow> convolution_rows() {
  return {
      {"Conv", 1, convolution},
      {"ConvTranspose", 1, transposed_convolution},
      {"MaxPool", 1, max_pool},
      {"MaxUnpool", 9, max_unpool},
      {"AveragePool", 1, average_pool},
      {"GlobalAveragePool", 1, global_average_pool},
      {"BatchNormalization", 1, batch_normalization},
  };
}

}  // namespace mpsearch
