#include "models/zoo/weights.h"

#include <cmath>
#include <vector>

#include "kernels/number/philox.h"

namespace mpsearch {
namespace {

const double kReluGain = std::sqrt(2.0);

Attributes window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return {{"kernel_shape", std::vector<std::int64_t>(2, kernel)},
          {"strides", std::vector<std::int64_t>(2, stride)},
          {"pads", std::vector<std::int64_t>(4, pad)}};
}

}  // namespace

std::string ZooWriter::weight(const std::string& name, const Shape& shape, double gain) {
  const std::int64_t size = elements_of(shape);
  const double bound =
      gain * std::sqrt(3.0 * static_cast<double>(shape[0]) / static_cast<double>(size));
  return drawn(name, shape, bound);
}

std::string ZooWriter::drawn(const std::string& name, const Shape& shape, double bound) {
  const RandomStream stream{seed_, 0, tensors_++};
  std::vector<float> values(static_cast<std::size_t>(elements_of(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double unit = 2.0 * uniform(random_word(stream, i)) - 1.0;
    values[i] = static_cast<float>(bound * unit);
  }
  return builder.initializer(name, shape, values);
}

std::string ZooWriter::filled(const std::string& name, std::int64_t size, float value) {
  return builder.initializer(name, {size},
                             std::vector<float>(static_cast<std::size_t>(size), value));
}

std::string ZooWriter::convolution(const std::string& name, const std::string& x, std::int64_t in,
                                   std::int64_t out, std::int64_t kernel, std::int64_t stride,
                                   std::int64_t pad, bool bias, std::int64_t groups) {
  std::vector<std::string> inputs{
      x, weight(name + ".weight", {out, in / groups, kernel, kernel}, kReluGain)};
  if (bias) inputs.push_back(filled(name + ".bias", out, 0));
  Attributes attributes = window(kernel, stride, pad);
  if (groups != 1) attributes.set("group", groups);
  return builder.node(name, "Conv", inputs, attributes);
}

std::string ZooWriter::convolution_again(const std::string& name, const std::string& like,
                                         const std::string& x, std::int64_t kernel,
                                         std::int64_t stride, std::int64_t pad) {
  return builder.node(name, "Conv", {x, like + ".weight", like + ".bias"},
                      window(kernel, stride, pad));
}

std::string ZooWriter::upsampling(const std::string& name, const std::string& x, std::int64_t in,
                                  std::int64_t out) {
  // Windows do not overlap: every output sums `in` products.
  const double bound = kReluGain * std::sqrt(3.0 / static_cast<double>(in));
  return builder.node(
      name, "ConvTranspose",
      {x, drawn(name + ".weight", {in, out, 2, 2}, bound), filled(name + ".bias", out, 0)},
      {{"kernel_shape", std::vector<std::int64_t>(2, 2)},
       {"strides", std::vector<std::int64_t>(2, 2)}});
}

std::string ZooWriter::projection(const std::string& name, const std::string& x, std::int64_t in,
                                  std::int64_t out) {
  const double bound = std::sqrt(3.0 / static_cast<double>(in));
  const std::string product =
      builder.node(name, "MatMul", {x, drawn(name + ".weight", {in, out}, bound)});
  return builder.node(name + ".add", "Add", {product, filled(name + ".bias", out, 0)});
}

std::string ZooWriter::table(const std::string& name, std::int64_t rows, std::int64_t size) {
  return drawn(name, {rows, size}, std::sqrt(3.0 / static_cast<double>(size)));
}

std::string ZooWriter::layer_norm(const std::string& name, const std::string& x,
                                  std::int64_t size) {
  return builder.node(name, "LayerNormalization",
                      {x, filled(name + ".weight", size, 1), filled(name + ".bias", size, 0)},
                      {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5}});
}

std::string ZooWriter::linear(const std::string& name, const std::string& x, std::int64_t in,
                              std::int64_t out, bool relu_follows) {
  return builder.node(name, "Gemm",
                      {x, weight(name + ".weight", {out, in}, relu_follows ? kReluGain : 1.0),
                       filled(name + ".bias", out, 0)},
                      {{"transB", std::int64_t{1}}});
}

std::string ZooWriter::batch_norm(const std::string& name, const std::string& x,
                                  std::int64_t channels) {
  return builder.node(
      name, "BatchNormalization",
      {x, filled(name + ".weight", channels, 1), filled(name + ".bias", channels, 0),
       filled(name + ".running_mean", channels, 0), filled(name + ".running_var", channels, 1)},
      {{"epsilon", 1e-5}, {"momentum", 0.9}});
}

std::string ZooWriter::relu(const std::string& name, const std::string& x) {
  return builder.node(name, "Relu", {x});
}

std::string ZooWriter::max_pool(const std::string& name, const std::string& x, std::int64_t kernel,
                                std::int64_t stride, std::int64_t pad) {
  return builder.node(name, "MaxPool", {x}, window(kernel, stride, pad));
}

}  // namespace mpsearch
