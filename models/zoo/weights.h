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
  ZooWriter(std::string_view graph_name, std::uint64_t seed, int opset = 17)
      : builder(graph_name, opset), seed_(seed) {}

  std::string convolution(const std::string& name, const std::string& x, std::int64_t in,
                          std::int64_t out, std::int64_t kernel, std::int64_t stride,
                          std::int64_t pad, bool bias, std::int64_t groups = 1);
  /// The convolution `like`, which has a bias, of another input: weights are shared.
  std::string convolution_again(const std::string& name, const std::string& like,
                                const std::string& x, std::int64_t kernel, std::int64_t stride,
                                std::int64_t pad);
  /// Twice the size: kernel and stride 2.
  std::string upsampling(const std::string& name, const std::string& x, std::int64_t in,
                         std::int64_t out);
  std::string linear(const std::string& name, const std::string& x, std::int64_t in,
                     std::int64_t out, bool relu_follows);
  /// Of the last dimension, whatever the rank.
  std::string projection(const std::string& name, const std::string& x, std::int64_t in,
                         std::int64_t out);
  /// A table whose rows are drawn with variance 1 / `size`.
  std::string table(const std::string& name, std::int64_t rows, std::int64_t size);
  std::string layer_norm(const std::string& name, const std::string& x, std::int64_t size);
  std::string batch_norm(const std::string& name, const std::string& x, std::int64_t channels);
  std::string relu(const std::string& name, const std::string& x);
  std::string max_pool(const std::string& name, const std::string& x, std::int64_t kernel,
                       std::int64_t stride, std::int64_t pad);

  OnnxBuilder builder;

 private:
  std::string weight(const std::string& name, const Shape& shape, double gain);
  std::string drawn(const std::string& name, const Shape& shape, double bound);
  std::string filled(const std::string& name, std::int64_t size, float value);

  std::uint64_t seed_;
  std::uint32_t tensors_ = 0;
};

}  // namespace mpsearch
