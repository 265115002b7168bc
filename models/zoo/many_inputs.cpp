// Networks with more than one input or output.
#include "models/zoo/networks.h"
#include "models/zoo/weights.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kFeatures = 64;  // of an image, before `width`
constexpr int kConvolutions = 3;        // each halves the image

/// Convolutions and a mean over the image: [N, features]. `like` names a branch whose weights are
/// shared; empty: weights of its own.
std::string image_branch(ZooWriter& net, const ZooSizes& sizes, const std::string& image,
                         const std::string& prefix, const std::string& like) {
  std::string x = image;
  std::int64_t in = sizes.whole("channels");
  for (int i = 1; i <= kConvolutions; ++i) {
    const std::string conv = "conv" + std::to_string(i);
    const std::int64_t out = sizes.channels(kFeatures >> (kConvolutions - i));
    x = like.empty() ? net.convolution(prefix + conv, x, in, out, 3, 2, 1, true)
                     : net.convolution_again(prefix + conv, like + conv, x, 3, 2, 1);
    x = net.relu(prefix + "relu" + std::to_string(i), x);
    in = out;
  }
  x = net.builder.node(prefix + "pool", "GlobalAveragePool", {x});
  return net.builder.node(prefix + "flatten", "Flatten", {x});
}

}  // namespace

// Koch et al. 2015: both images pass through the same weights, their distance decides.
OnnxBuilder build_siamese(const ZooSizes& sizes) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t channels = sizes.whole("channels");
  ZooWriter net("siamese", static_cast<std::uint64_t>(sizes.at("seed")));
  const std::string left = net.builder.input("left", {"N", channels, image, image});
  const std::string right = net.builder.input("right", {"N", channels, image, image});
  const std::string a = image_branch(net, sizes, left, "left.", "");
  const std::string b = image_branch(net, sizes, right, "right.", "left.");
  const std::string distance =
      net.builder.node("distance", "Abs", {net.builder.node("difference", "Sub", {a, b})});
  net.builder.output(net.linear("same", distance, sizes.channels(kFeatures), 2, false),
                     {"N", std::int64_t{2}});
  return std::move(net.builder);
}

// An image and a vector of numbers in, a class and a number out.
OnnxBuilder build_two_heads(const ZooSizes& sizes) {
  const std::int64_t image = sizes.whole("image");
  const std::int64_t numbers = sizes.whole("numbers");
  const std::int64_t classes = sizes.whole("classes");
  const std::int64_t hidden = sizes.channels(kFeatures);
  ZooWriter net("two-heads", static_cast<std::uint64_t>(sizes.at("seed")));
  const std::string picture =
      net.builder.input("image", {"N", sizes.whole("channels"), image, image});
  const std::string vector = net.builder.input("numbers", {"N", numbers});
  const std::string seen = image_branch(net, sizes, picture, "", "");
  const std::string read =
      net.relu("numbers.relu", net.linear("numbers.fc", vector, numbers, hidden, true));
  const std::string both = net.relu(
      "body.relu",
      net.linear("body", net.builder.node("sum", "Add", {seen, read}), hidden, hidden, true));
  net.builder.output(net.linear("class", both, hidden, classes, false), {"N", classes});
  net.builder.output(net.linear("value", both, hidden, 1, false), {"N", std::int64_t{1}});
  return std::move(net.builder);
}

}  // namespace mpsearch
