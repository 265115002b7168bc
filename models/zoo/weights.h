// Layers with initial weights, for the networks of the zoo. Internal to models/zoo.
#pragma once

#include <cstdint>
#include <string>

#include "models/onnx/builder.h"

namespace mpsearch {

/// Adds layers to a builder: each method returns the name of its output. Weights are
/// Kaiming-uniform (He et al. 2015), U(-b, b) with b = gain sqrt(3 / fan in), gain sqrt(2) where a
/// ReLU follows and 1 elsewhere; biases are zero. They depend on the seed and the order of the
/// calls alone.
class ZooWriter {
 public:
  ZooWriter(std::string_view graph_name, std::uint64_t seed) : builder(graph_name), seed_(seed) {}

  std::string convolution(const std::string& name, const std::string& x, std::int64_t in,
                          std::int64_t out, std::int64_t kernel, std::int64_t stride,
                          std::int64_t pad, bool bias);
  std::string linear(const std::string& name, const std::string& x, std::int64_t in,
                     std::int64_t out, bool relu_follows);
  std::string batch_norm(const std::string& name, const std::string& x, std::int64_t channels);
  std::string relu(const std::string& name, const std::string& x);
  std::string max_pool(const std::string& name, const std::string& x, std::int64_t kernel,
                       std::int64_t stride, std::int64_t pad);

  OnnxBuilder builder;

 private:
  std::string weight(const std::string& name, const Shape& shape, double gain);
  std::string filled(const std::string& name, std::int64_t size, float value);

  std::uint64_t seed_;
  std::uint32_t tensors_ = 0;
};

}  // namespace mpsearch
