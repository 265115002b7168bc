// The builders of the zoo, one function a network; zoo.cpp holds the list. Internal to models/zoo.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "models/onnx/builder.h"

namespace mpsearch {

/// Values of a network's options.
struct ZooSizes {
  std::map<std::string, double> values;

  /// A positive whole number. Throws Usage elsewhere.
  std::int64_t whole(std::string_view name) const;
  /// `standard` channels times the option `width`, at least 1.
  std::int64_t channels(std::int64_t standard) const;
  double at(std::string_view name) const;
};

OnnxBuilder build_mlp(const ZooSizes& sizes);
OnnxBuilder build_lenet(const ZooSizes& sizes);
OnnxBuilder build_vgg(const ZooSizes& sizes);
OnnxBuilder build_resnet18(const ZooSizes& sizes);
OnnxBuilder build_resnet50(const ZooSizes& sizes);
OnnxBuilder build_mobilenetv2(const ZooSizes& sizes);
OnnxBuilder build_unet(const ZooSizes& sizes);
OnnxBuilder build_autoencoder(const ZooSizes& sizes);
OnnxBuilder build_siamese(const ZooSizes& sizes);
OnnxBuilder build_two_heads(const ZooSizes& sizes);
OnnxBuilder build_transformer(const ZooSizes& sizes);
OnnxBuilder build_transformer_lm(const ZooSizes& sizes);

}  // namespace mpsearch
