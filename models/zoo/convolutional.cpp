#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "kernels/error.h"
#include "models/zoo/networks.h"
#include "models/zoo/weights.h"

namespace mpsearch {
namespace {

std::string conv_norm(ZooWriter& net, const std::string& x, const std::string& prefix,
                      const std::string& index, std::int64_t in, std::int64_t out,
                      std::int64_t kernel, std::int64_t stride) {
  const std::string y =
      net.convolution(prefix + "conv" + index, x, in, out, kernel, stride, kernel / 2, false);
  return net.batch_norm(prefix + "bn" + index, y, out);
}

/// He et al. 2016, figure 5 left: two 3x3 convolutions and the shortcut, projected where shapes
/// differ.
std::string basic_block(ZooWriter& net, const std::string& x, const std::string& name,
                        std::int64_t in, std::int64_t out, std::int64_t stride) {
  std::string y = conv_norm(net, x, name, "1", in, out, 3, stride);
  y = net.relu(name + "relu1", y);
  y = conv_norm(net, y, name, "2", out, out, 3, 1);
  std::string shortcut = x;
  if (stride != 1 || in != out) {
    shortcut = conv_norm(net, x, name + "downsample.", "", in, out, 1, stride);
  }
  return net.relu(name + "relu2", net.builder.node(name + "add", "Add", {y, shortcut}));
}

/// He et al. 2016, figure 5 right, with the stride in the 3x3 convolution as PyTorch has it.
std::string bottleneck(ZooWriter& net, const std::string& x, const std::string& name,
                       std::int64_t in, std::int64_t middle, std::int64_t out,
                       std::int64_t stride) {
  std::string y = net.relu(name + "relu1", conv_norm(net, x, name, "1", in, middle, 1, 1));
  y = net.relu(name + "relu2", conv_norm(net, y, name, "2", middle, middle, 3, stride));
  y = conv_norm(net, y, name, "3", middle, out, 1, 1);
  std::string shortcut = x;
  if (stride != 1 || in != out) {
    shortcut = conv_norm(net, x, name + "downsample.", "", in, out, 1, stride);
  }
  return net.relu(name + "relu3", net.builder.node(name + "add", "Add", {y, shortcut}));
}

using Block = std::function<std::string(const std::string& x, const std::string& name, int stage,
                                        std::int64_t stride)>;

/// Stem, four stages of blocks, pooling and classifier. `last` is the width of the last block.
void residual_network(ZooWriter& net, const ZooSizes& sizes, const std::array<int, 4>& blocks,
                      std::int64_t last, const Block& block) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t channels = sizes.whole("channels");
  const std::int64_t classes = sizes.whole("classes");
  const bool large = image >= 64;
  std::string x = net.builder.input("input", {"N", channels, image, image});
  x = net.relu("relu1", conv_norm(net, x, "", "1", channels, sizes.channels(64), large ? 7 : 3,
                                  large ? 2 : 1));
  if (large) x = net.max_pool("pool1", x, 3, 2, 1);
  for (int stage = 1; stage <= 4; ++stage) {
    for (int i = 0; i < blocks[static_cast<std::size_t>(stage) - 1]; ++i) {
      const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(i) + ".";
      x = block(x, name, stage, stage > 1 && i == 0 ? 2 : 1);
    }
  }
  x = net.builder.node("flatten", "Flatten", {net.builder.node("pool", "GlobalAveragePool", {x})});
  net.builder.output(net.linear("fc", x, last, classes, false), {"N", classes});
}

}  // namespace

OnnxBuilder build_vgg(const ZooSizes& sizes) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t channels = sizes.whole("channels");
  const std::int64_t classes = sizes.whole("classes");
  const std::int64_t hidden = sizes.channels(512);
  if (image < 16) throw Error(ErrorKind::Usage, "vgg needs an image of at least 16 pixels");
  ZooWriter net("vgg", static_cast<std::uint64_t>(sizes.at("seed")));
  std::string x = net.builder.input("input", {"N", channels, image, image});
  std::int64_t in = channels;
  std::int64_t size = image;
  int index = 0;
  for (int stage = 1; stage <= 4; ++stage) {
    const std::int64_t out = sizes.channels(std::int64_t{32} << stage);
    for (int repeat = 0; repeat < 2; ++repeat, in = out) {
      const std::string number = std::to_string(++index);
      x = net.relu("relu" + number, conv_norm(net, x, "", number, in, out, 3, 1));
    }
    x = net.max_pool("pool" + std::to_string(stage), x, 2, 2, 0);
    size /= 2;
  }
  x = net.builder.node("flatten", "Flatten", {x});
  x = net.relu("relu9", net.linear("fc1", x, in * size * size, hidden, true));
  net.builder.output(net.linear("fc2", x, hidden, classes, false), {"N", classes});
  return std::move(net.builder);
}

OnnxBuilder build_resnet18(const ZooSizes& sizes) {
  ZooWriter net("resnet18", static_cast<std::uint64_t>(sizes.at("seed")));
  std::int64_t in = sizes.channels(64);
  residual_network(
      net, sizes, {2, 2, 2, 2}, sizes.channels(512),
      [&](const std::string& x, const std::string& name, int stage, std::int64_t stride) {
        const std::int64_t out = sizes.channels(std::int64_t{32} << stage);
        return basic_block(net, x, name, std::exchange(in, out), out, stride);
      });
  return std::move(net.builder);
}

OnnxBuilder build_resnet50(const ZooSizes& sizes) {
  ZooWriter net("resnet50", static_cast<std::uint64_t>(sizes.at("seed")));
  std::int64_t in = sizes.channels(64);
  residual_network(
      net, sizes, {3, 4, 6, 3}, sizes.channels(2048),
      [&](const std::string& x, const std::string& name, int stage, std::int64_t stride) {
        const std::int64_t middle = sizes.channels(std::int64_t{32} << stage);
        const std::int64_t out = sizes.channels(std::int64_t{128} << stage);
        return bottleneck(net, x, name, std::exchange(in, out), middle, out, stride);
      });
  return std::move(net.builder);
}

/// Sandler et al. 2018, table 2. Below 64 pixels stem and second stage keep the size.
OnnxBuilder build_mobilenetv2(const ZooSizes& sizes) {
  struct Stage {
    std::int64_t expansion, channels, repeats, stride;
  };
  constexpr std::array<Stage, 7> kStages{{{1, 16, 1, 1},
                                          {6, 24, 2, 2},
                                          {6, 32, 3, 2},
                                          {6, 64, 4, 2},
                                          {6, 96, 3, 1},
                                          {6, 160, 3, 2},
                                          {6, 320, 1, 1}}};
  const std::int64_t image = sizes.whole("image");
  const std::int64_t classes = sizes.whole("classes");
  const std::int64_t first_stride = image >= 64 ? 2 : 1;
  ZooWriter net("mobilenetv2", static_cast<std::uint64_t>(sizes.at("seed")));
  const auto relu6 = [&](const std::string& name, const std::string& x) {
    return net.builder.node(name, "Clip", {x, "zero", "six"});
  };
  net.builder.initializer("zero", {}, std::vector<float>{0});
  net.builder.initializer("six", {}, std::vector<float>{6});
  std::string x = net.builder.input("input", {"N", sizes.whole("channels"), image, image});
  std::int64_t in = sizes.channels(32);
  x = relu6("stem.relu",
            conv_norm(net, x, "stem.", "", sizes.whole("channels"), in, 3, first_stride));
  int index = 0;
  for (const Stage& stage : kStages) {
    for (std::int64_t i = 0; i < stage.repeats; ++i) {
      const std::string name = "block" + std::to_string(++index) + ".";
      const std::int64_t out = sizes.channels(stage.channels);
      const std::int64_t wide = in * stage.expansion;
      const std::int64_t stage_stride = stage.channels == 24 ? first_stride : stage.stride;
      const std::int64_t stride = i == 0 ? stage_stride : 1;
      std::string y = x;
      if (stage.expansion != 1) {
        y = relu6(name + "relu1", conv_norm(net, y, name, "1", in, wide, 1, 1));
      }
      y = net.convolution(name + "depthwise", y, wide, wide, 3, stride, 1, false, wide);
      y = relu6(name + "relu2", net.batch_norm(name + "bn2", y, wide));
      y = conv_norm(net, y, name, "3", wide, out, 1, 1);
      x = stride == 1 && in == out ? net.builder.node(name + "add", "Add", {x, y}) : y;
      in = out;
    }
  }
  const std::int64_t last = std::max(sizes.channels(1280), std::int64_t{8});
  x = relu6("head.relu", conv_norm(net, x, "head.", "", in, last, 1, 1));
  x = net.builder.node("flatten", "Flatten", {net.builder.node("pool", "GlobalAveragePool", {x})});
  net.builder.output(net.linear("fc", x, last, classes, false), {"N", classes});
  return std::move(net.builder);
}

}  // namespace mpsearch
