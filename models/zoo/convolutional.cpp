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
  const std::int64_t image = sizes.whole("image");
  const std::int64_t channels = sizes.whole("channels");
  const std::int64_t classes = sizes.whole("classes");
  const bool large = image >= 64;
  ZooWriter net("resnet18", static_cast<std::uint64_t>(sizes.at("seed")));
  std::string x = net.builder.input("input", {"N", channels, image, image});
  std::int64_t in = sizes.channels(64);
  x = net.relu("relu1", conv_norm(net, x, "", "1", channels, in, large ? 7 : 3, large ? 2 : 1));
  if (large) x = net.max_pool("pool1", x, 3, 2, 1);
  for (int stage = 1; stage <= 4; ++stage) {
    const std::int64_t out = sizes.channels(std::int64_t{32} << stage);
    for (int block = 0; block < 2; ++block, in = out) {
      const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(block) + ".";
      x = basic_block(net, x, name, in, out, stage > 1 && block == 0 ? 2 : 1);
    }
  }
  x = net.builder.node("flatten", "Flatten", {net.builder.node("pool", "GlobalAveragePool", {x})});
  net.builder.output(net.linear("fc", x, in, classes, false), {"N", classes});
  return std::move(net.builder);
}

}  // namespace mpsearch
