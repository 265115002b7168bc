#include "tests/support/small_nets.h"

#include <cmath>
#include <cstring>
#include <string>

#include "models/layers.h"

namespace mpsearch::testing {
namespace {

class NetBuilder {
 public:
  Graph graph;
  std::vector<RunningStatisticsOf> running;

  ValueId input(const Shape& shape) {
    Value value;
    value.name = "x";
    value.type = {shape, {}};
    value.kind = ValueKind::Input;
    const ValueId id = graph.add_value(std::move(value));
    graph.inputs.push_back(id);
    return id;
  }

  ValueId parameter(const std::string& name, const Shape& shape, float spread, float mean = 0) {
    Value value;
    value.name = name;
    value.type = {shape, {}};
    value.kind = ValueKind::Parameter;
    Bytes bytes(static_cast<std::size_t>(value.type.bytes()));
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(float)) {
      state_ = state_ * 1664525U + 1013904223U;
      const float number = mean + spread * (static_cast<float>(state_ >> 8) / 8388608.0F - 1.0F);
      std::memcpy(bytes.data() + at, &number, sizeof number);
    }
    value.data = std::make_shared<const Bytes>(std::move(bytes));
    return graph.add_value(std::move(value));
  }

  ValueId state(const std::string& name, std::int64_t size) {
    Value value;
    value.name = name;
    value.type = {{size}, {}};
    value.kind = ValueKind::State;
    return graph.add_value(std::move(value));
  }

  ValueId node(const std::string& name, std::string_view op, std::vector<ValueId> inputs,
               Attributes attributes = {}) {
    const NodeId id = graph.add_node(name, op, std::move(inputs), std::move(attributes));
    return graph.node(id).outputs[0];
  }

  ValueId conv(const std::string& name, ValueId x, std::int64_t in, std::int64_t out) {
    const ValueId w =
        parameter(name + ".w", {out, in, 3, 3}, std::sqrt(6.0F / static_cast<float>(in * 9)));
    return node(name, "Conv", {x, w},
                {{"strides", Shape{1, 1}},
                 {"pads", Shape{1, 1, 1, 1}},
                 {"dilations", Shape{1, 1}},
                 {"group", std::int64_t{1}}});
  }

  ValueId norm(const std::string& name, ValueId x, std::int64_t channels) {
    const ValueId gamma = parameter(name + ".gamma", {channels}, 0.1F, 1);
    const ValueId beta = parameter(name + ".beta", {channels}, 0.1F);
    const ValueId y = node(name, "BatchNormalization", {x, gamma, beta}, {{"epsilon", 1e-5}});
    running.push_back({graph.value(y).producer, state(name + ".mean", channels),
                       state(name + ".var", channels), 0.9});
    return y;
  }

  ValueId linear(const std::string& name, ValueId x, std::int64_t in, std::int64_t out) {
    const ValueId w = parameter(name + ".w", {out, in}, std::sqrt(6.0F / static_cast<float>(in)));
    const ValueId b = parameter(name + ".b", {out}, 0.1F);
    return node(name, "MatMul", {x, w, b}, {{"transB", std::int64_t{1}}});
  }

  Model finish(ValueId output, std::int64_t batch) {
    graph.outputs = {output};
    group_layers(graph);
    graph.verify();
    Model model;
    model.name = "test.onnx";
    model.sha256 = std::string(64, '0');
    model.graph = std::move(graph);
    model.running_statistics = std::move(running);
    model.batch = batch;
    return model;
  }

 private:
  std::uint32_t state_ = 12345;
};

}  // namespace

Model residual_net(std::int64_t batch) {
  NetBuilder net;
  ValueId x = net.input({batch, 3, 8, 8});
  x = net.conv("conv1", x, 3, 8);
  x = net.node("relu1", "Relu", {net.norm("bn1", x, 8)});
  ValueId y = net.conv("conv2", x, 8, 8);
  y = net.node("relu2", "Relu", {net.norm("bn2", y, 8)});
  y = net.norm("bn3", net.conv("conv3", y, 8, 8), 8);
  x = net.node("relu3", "Relu", {net.node("add", "Add", {y, x})});
  x = net.node(
      "pool", "MaxPool", {x},
      {{"kernel_shape", Shape{2, 2}}, {"strides", Shape{2, 2}}, {"pads", Shape{0, 0, 0, 0}}});
  x = net.node("flatten", "Reshape", {x}, {{"shape", Shape{batch, 128}}});
  x = net.node("relu4", "Relu", {net.linear("fc1", x, 128, 16)});
  return net.finish(net.linear("fc2", x, 16, 5), batch);
}

Model mlp_net(std::int64_t batch, std::int64_t classes) {
  NetBuilder net;
  ValueId x = net.input({batch, 12});
  x = net.node("relu1", "Relu", {net.linear("fc1", x, 12, 16)});
  return net.finish(net.linear("fc2", x, 16, classes), batch);
}

Model generator_net(std::int64_t batch) {
  NetBuilder net;
  ValueId x = net.linear("fc1", net.input({batch, 12}), 12, 48);
  x = net.node("image", "Reshape", {x}, {{"shape", Shape{batch, 3, 4, 4}}});
  x = net.conv("conv", net.node("relu1", "Relu", {x}), 3, 2);
  x = net.node("flatten", "Reshape", {x}, {{"shape", Shape{batch, 32}}});
  return net.finish(net.linear("fc2", x, 32, 5), batch);
}

Model tied_net(std::int64_t batch) {
  NetBuilder net;
  ValueId x = net.input({batch, 12});
  const ValueId up = net.parameter("up.w", {16, 12}, 0.7F);
  const ValueId down = net.parameter("down.w", {16, 12}, 0.6F);
  for (const std::string time : {"1", "2", "3"}) {
    ValueId y = net.node("up" + time, "MatMul", {x, up}, {{"transB", std::int64_t{1}}});
    y = net.node("relu" + time, "Relu", {y});
    if (time == "3") {
      const ValueId turned = net.node("turned", "Transpose", {down}, {{"perm", Shape{1, 0}}});
      y = net.node("down3", "MatMul", {y, turned}, {{"transB", std::int64_t{1}}});
    } else {
      y = net.node("down" + time, "MatMul", {y, down});
    }
    x = net.node("add" + time, "Add", {y, x});
  }
  return net.finish(net.linear("fc", x, 12, 5), batch);
}

}  // namespace mpsearch::testing
