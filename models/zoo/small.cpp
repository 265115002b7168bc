#include "kernels/error.h"
#include "models/zoo/networks.h"
#include "models/zoo/weights.h"

namespace mpsearch {

OnnxBuilder build_mlp(const ZooSizes& sizes) {
  const std::int64_t inputs = sizes.whole("inputs");
  const std::int64_t hidden = sizes.whole("hidden");
  const std::int64_t classes = sizes.whole("classes");
  ZooWriter net("mlp", static_cast<std::uint64_t>(sizes.at("seed")));
  std::string x = net.builder.input("input", {"N", inputs});
  x = net.relu("relu1", net.linear("fc1", x, inputs, hidden, true));
  x = net.relu("relu2", net.linear("fc2", x, hidden, hidden, true));
  net.builder.output(net.linear("fc3", x, hidden, classes, false), {"N", classes});
  return std::move(net.builder);
}

// LeCun et al. 1998, figure 2, with ReLU and max pooling as in today's textbooks.
OnnxBuilder build_lenet(const ZooSizes& sizes) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t channels = sizes.whole("channels");
  const std::int64_t classes = sizes.whole("classes");
  const std::int64_t last = (image / 2 - 4) / 2;
  if (last < 1) throw Error(ErrorKind::Usage, "lenet needs an image of at least 12 pixels");
  const std::int64_t first_maps = sizes.channels(6);
  const std::int64_t maps = sizes.channels(16);
  const std::int64_t wide = sizes.channels(120);
  const std::int64_t narrow = sizes.channels(84);
  ZooWriter net("lenet", static_cast<std::uint64_t>(sizes.at("seed")));
  std::string x = net.builder.input("input", {"N", channels, image, image});
  x = net.relu("relu1", net.convolution("conv1", x, channels, first_maps, 5, 1, 2, true));
  x = net.max_pool("pool1", x, 2, 2, 0);
  x = net.relu("relu2", net.convolution("conv2", x, first_maps, maps, 5, 1, 0, true));
  x = net.max_pool("pool2", x, 2, 2, 0);
  x = net.builder.node("flatten", "Flatten", {x});
  x = net.relu("relu3", net.linear("fc1", x, maps * last * last, wide, true));
  x = net.relu("relu4", net.linear("fc2", x, wide, narrow, true));
  net.builder.output(net.linear("fc3", x, narrow, classes, false), {"N", classes});
  return std::move(net.builder);
}

}  // namespace mpsearch
