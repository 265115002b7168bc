#include "models/zoo/zoo.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "models/zoo/networks.h"

namespace mpsearch {
namespace {

struct Network {
  ZooEntry entry;
  OnnxBuilder (*build)(const ZooSizes&);
};

const ZooOption kSeed{"seed", "of the initial weights", 0};
const ZooOption kClasses{"classes", "outputs", 10};
const ZooOption kWidth{"width", "factor of all channel counts", 1};
const ZooOption kImage{"image", "height and width", 32};
const ZooOption kColours{"channels", "of the image", 3};

std::vector<ZooOption> transformer_options() {
  return {{"layers", "encoder layers", 4},
          {"dim", "values of a token", 256},
          {"heads", "attention heads", 4},
          {"hidden", "units of a feed-forward part", 1024},
          {"vocabulary", "different tokens", 1000},
          {"length", "tokens of a sample", 64},
          kSeed};
}

std::vector<ZooOption> with_classes(std::vector<ZooOption> options) {
  options.push_back(kClasses);
  return options;
}

std::vector<Network> networks() {
  return {
      {{"mlp",
        "two hidden layers on flat inputs",
        {{"inputs", "values of one sample", 784},
         {"hidden", "units of a hidden layer", 1024},
         kClasses,
         kSeed}},
       build_mlp},
      {{"lenet",
        "LeNet-5 with ReLU and max pooling",
        {{"image", "height and width", 28},
         {"channels", "of the image", 1},
         kClasses,
         kWidth,
         kSeed}},
       build_lenet},
      {{"vgg",
        "3x3 convolutions 64 64 M 128 128 M 256 256 M 512 512 M with BatchNormalization, linear "
        "512",
        {{"image", "height and width", 32},
         {"channels", "of the image", 3},
         kClasses,
         kWidth,
         kSeed}},
       build_vgg},
      {{"resnet18",
        "18-layer residual network; below 64 pixels with the 3x3 stem and without the first "
        "pooling",
        {{"image", "height and width", 32},
         {"channels", "of the image", 3},
         kClasses,
         kWidth,
         kSeed}},
       build_resnet18},
      {{"resnet50",
        "50-layer residual network of bottlenecks, sizes as resnet18",
        {kImage, kColours, kClasses, kWidth, kSeed}},
       build_resnet50},
      {{"mobilenetv2",
        "inverted residuals with depthwise convolutions; below 64 pixels the first two stages keep "
        "the size",
        {kImage, kColours, kClasses, kWidth, kSeed}},
       build_mobilenetv2},
      {{"unet",
        "a class for each pixel: three halvings, skips, transposed convolutions",
        {kImage, kColours, {"classes", "of a pixel", 4}, kWidth, kSeed}},
       build_unet},
      {{"autoencoder",
        "convolutions down to an eighth of the size and back to the image",
        {kImage, kColours, kWidth, kSeed}},
       build_autoencoder},
      {{"siamese",
        "two images through shared weights, same or different",
        {kImage, kColours, kWidth, kSeed}},
       build_siamese},
      {{"two-heads",
        "inputs image and numbers, outputs class and value",
        {kImage, kColours, {"numbers", "values of the second input", 16}, kClasses, kWidth, kSeed}},
       build_two_heads},
      {{"transformer", "encoder with norms first, a class for each text",
        with_classes(transformer_options())},
       build_transformer},
      {{"transformer-lm", "the same with a causal mask: the next token at each place",
        transformer_options()},
       build_transformer_lm},
  };
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

const Network& find(const std::vector<Network>& all, std::string_view name) {
  std::vector<std::string> names;
  for (const Network& network : all) {
    if (network.entry.name == name) return network;
    names.push_back(network.entry.name);
  }
  throw Error(ErrorKind::Usage, {.what = "no network '" + std::string(name) + "' in the zoo",
                                 .at = {},
                                 .why = "there are " + joined(names),
                                 .try_ = "mpsearch zoo"});
}

}  // namespace

std::int64_t ZooSizes::whole(std::string_view name) const {
  const double value = at(name);
  if (value < 1 || value != std::floor(value) || value > 1 << 20) {
    throw Error(ErrorKind::Usage,
                "'" + std::string(name) + "' must be a whole number from 1 to 2^20");
  }
  return static_cast<std::int64_t>(value);
}

std::int64_t ZooSizes::channels(std::int64_t standard) const {
  const double scaled = std::round(at("width") * static_cast<double>(standard));
  if (!(scaled >= 0 && scaled <= 1 << 20)) throw Error(ErrorKind::Usage, "'width' is out of range");
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(scaled));
}

double ZooSizes::at(std::string_view name) const {
  const auto found = values.find(std::string(name));
  require(found != values.end(), ErrorKind::Internal, "a network asks for an option that it lacks");
  return found->second;
}

std::vector<ZooEntry> zoo() {
  std::vector<ZooEntry> entries;
  for (Network& network : networks()) entries.push_back(std::move(network.entry));
  return entries;
}

void write_zoo(std::string_view name, const std::map<std::string, double>& options,
               const std::filesystem::path& path) {
  const std::vector<Network> all = networks();
  const Network& network = find(all, name);
  ZooSizes sizes;
  std::vector<std::string> names;
  for (const ZooOption& option : network.entry.options) {
    sizes.values[option.name] = option.standard;
    names.push_back(option.name);
  }
  for (const auto& [key, value] : options) {
    if (!sizes.values.contains(key)) {
      throw Error(ErrorKind::Usage, {.what = network.entry.name + " has no option '" + key + "'",
                                     .at = {},
                                     .why = "it has " + joined(names),
                                     .try_ = "mpsearch zoo"});
    }
    sizes.values[key] = value;
  }
  network.build(sizes).write(path);
}

}  // namespace mpsearch
