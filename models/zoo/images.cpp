// Networks whose output is an image.
#include "kernels/error.h"
#include "models/zoo/networks.h"
#include "models/zoo/weights.h"

namespace mpsearch {
namespace {

constexpr int kDepth = 3;  // times that the image is halved

void require_halvable(std::int64_t image, const std::string& name) {
  if (image % (1 << kDepth) == 0) return;
  throw Error(ErrorKind::Usage, name + " needs an image size that 8 divides");
}

/// Two 3x3 convolutions.
std::string double_convolution(ZooWriter& net, const std::string& x, const std::string& name,
                               std::int64_t in, std::int64_t out) {
  std::string y = net.convolution(name + ".conv1", x, in, out, 3, 1, 1, false);
  y = net.relu(name + ".relu1", net.batch_norm(name + ".bn1", y, out));
  y = net.convolution(name + ".conv2", y, out, out, 3, 1, 1, false);
  return net.relu(name + ".relu2", net.batch_norm(name + ".bn2", y, out));
}

}  // namespace

// Ronneberger et al. 2015 with padded convolutions and batch normalisation. Classes come last, as
// the cross-entropy of a pixel wants them.
OnnxBuilder build_unet(const ZooSizes& sizes) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t classes = sizes.whole("classes");
  require_halvable(image, "unet");
  ZooWriter net("unet", static_cast<std::uint64_t>(sizes.at("seed")));
  std::int64_t in = sizes.whole("channels");
  std::string x = net.builder.input("input", {"N", in, image, image});
  std::vector<std::string> skips;
  for (int level = 0; level < kDepth; ++level) {
    const std::int64_t out = sizes.channels(std::int64_t{16} << level);
    x = double_convolution(net, x, "down" + std::to_string(level), in, out);
    skips.push_back(x);
    x = net.max_pool("pool" + std::to_string(level), x, 2, 2, 0);
    in = out;
  }
  const std::int64_t widest = sizes.channels(std::int64_t{16} << kDepth);
  x = double_convolution(net, x, "bottom", in, widest);
  in = widest;
  for (int level = kDepth - 1; level >= 0; --level) {
    const std::int64_t out = sizes.channels(std::int64_t{16} << level);
    const std::string number = std::to_string(level);
    x = net.upsampling("up" + number, x, in, out);
    x = net.builder.node("concat" + number, "Concat", {skips[static_cast<std::size_t>(level)], x},
                         {{"axis", std::int64_t{1}}});
    x = double_convolution(net, x, "merge" + number, 2 * out, out);
    in = out;
  }
  x = net.convolution("classifier", x, in, classes, 1, 1, 0, true);
  x = net.builder.node("output", "Transpose", {x},
                       {{"perm", std::vector<std::int64_t>{0, 2, 3, 1}}});
  net.builder.output(x, {"N", image, image, classes});
  return std::move(net.builder);
}

OnnxBuilder build_autoencoder(const ZooSizes& sizes) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t channels = sizes.whole("channels");
  require_halvable(image, "autoencoder");
  ZooWriter net("autoencoder", static_cast<std::uint64_t>(sizes.at("seed")));
  std::string x = net.builder.input("input", {"N", channels, image, image});
  std::int64_t in = channels;
  for (int level = 0; level < kDepth; ++level) {
    const std::int64_t out = sizes.channels(std::int64_t{16} << level);
    const std::string name = "encoder" + std::to_string(level);
    x = net.relu(name + ".relu", net.convolution(name, x, in, out, 3, 2, 1, true));
    in = out;
  }
  for (int level = kDepth - 1; level >= 0; --level) {
    const std::int64_t out = level == 0 ? channels : sizes.channels(std::int64_t{8} << level);
    const std::string name = "decoder" + std::to_string(level);
    x = net.upsampling(name, x, in, out);
    if (level > 0) x = net.relu(name + ".relu", x);
    in = out;
  }
  net.builder.output(x, {"N", channels, image, image});
  return std::move(net.builder);
}

}  // namespace mpsearch
