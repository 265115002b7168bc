// A MaxPool whose positions a MaxUnpool takes, as SegNet has them: gradients against central
// differences in FP64 through the whole graph, shapes and refusals.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>

#include "kernels/error.h"
#include "models/gradient.h"
#include "models/onnx/builder.h"
#include "models/onnx/import.h"
#include "tests/support/op_case.h"
#include "tests/support/reference_graph.h"

namespace mpsearch {
namespace {

using Ints = std::vector<std::int64_t>;
using reference::Numbers;

/// conv -> MaxPool -> tanh -> MaxUnpool to `size` (none: as the window says) -> conv.
Model segmenter(const std::optional<Ints>& size) {
  OnnxBuilder b("test", 17);
  const auto weights = [&](const char* name, const Shape& shape, unsigned seed) {
    const Numbers numbers =
        reference::spread_numbers(static_cast<std::size_t>(elements_of(shape)), -1, 1, seed);
    return b.initializer(name, shape, std::vector<float>(numbers.begin(), numbers.end()));
  };
  const Attributes padded{{"pads", Ints{1, 1, 1, 1}}};
  const Attributes window{{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}};
  const std::string x = b.input("x", {2, 2, 5, 6});
  const std::string features = b.node("encode", "Conv", {x, weights("w", {3, 2, 3, 3}, 1)}, padded);
  b.node("pool", "MaxPool", {features}, window, {"pooled", "places"});
  std::vector<std::string> inputs{b.node("between", "Tanh", {"pooled"}), "places"};
  if (size) inputs.push_back(b.initializer("size", *size));
  const std::string large = b.node("unpool", "MaxUnpool", inputs, window);
  b.output(b.node("decode", "Conv", {large, weights("v", {2, 3, 3, 3}, 2)}, padded));
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("unpool-" + std::to_string(getpid()) + ".onnx");
  std::ofstream(path, std::ios::binary) << b.bytes();
  Model model = import_model(path, {});
  std::filesystem::remove(path);
  return model;
}

ValueId named(const Graph& graph, const std::string& name) {
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].name == name) return static_cast<ValueId>(i);
  }
  throw std::runtime_error("no value " + name);
}

double dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST(Unpool, GradientsOfTheWholeNetAgreeWithCentralDifferences) {
  // 5 rows: the last is in no window, so the positions count in more than the window's inverse.
  Graph graph = segmenter(Ints{2, 3, 5, 6}).graph;
  const ValueId y = graph.outputs.at(0);
  const TensorType y_type = graph.value(y).type;
  Value seed;
  seed.name = "dy";
  seed.type = y_type;
  seed.kind = ValueKind::Input;
  const ValueId dy = graph.add_value(std::move(seed));
  GradientBuilder builder(graph);
  builder.add(y, dy);
  builder.run();
  graph.verify();

  std::vector<Numbers> given = reference::initial_numbers(graph);
  const auto at = [](std::vector<Numbers>& values, ValueId id) -> Numbers& {
    return values[static_cast<std::size_t>(id)];
  };
  at(given, graph.inputs.at(0)) = reference::spread_numbers(2 * 2 * 5 * 6, -2, 2, 3);
  const Numbers weights =
      reference::spread_numbers(static_cast<std::size_t>(y_type.elements()), -1, 1, 4);
  at(given, dy) = weights;
  std::vector<Numbers> values = given;
  reference::run(graph, values);
  const auto loss = [&](ValueId parameter, std::size_t element, double step) {
    std::vector<Numbers> moved = given;
    at(moved, parameter)[element] += step;
    reference::run(graph, moved);
    return dot(at(moved, y), weights);
  };
  for (const char* name : {"w", "v"}) {
    const ValueId parameter = named(graph, name);
    ASSERT_NE(builder.gradient(parameter), kNone) << name;
    const Numbers& gradient = at(values, builder.gradient(parameter));
    double size = 0;
    for (std::size_t i = 0; i < gradient.size(); i += 5) {
      constexpr double kStep = 1e-5;
      const double slope = (loss(parameter, i, kStep) - loss(parameter, i, -kStep)) / (2 * kStep);
      EXPECT_NEAR(gradient[i], slope, 1e-6 * (1 + std::fabs(slope))) << name << " " << i;
      size += std::fabs(gradient[i]);
    }
    EXPECT_GT(size, 0.1) << name;
  }
}

TEST(Unpool, PositionsCountInTheImageThatWasPooled) {
  const auto shape = [](const Model& model) {
    return model.graph.value(model.graph.outputs.at(0)).type.shape;
  };
  EXPECT_EQ(shape(segmenter(Ints{2, 3, 5, 6})), (Shape{2, 2, 5, 6}));
  EXPECT_EQ(shape(segmenter(Ints{2, 3, 6, 6})), (Shape{2, 2, 6, 6}));
  // The window's inverse has 4 rows, the positions count in 5.
  EXPECT_THROW(segmenter(std::nullopt), Error);
}

}  // namespace
}  // namespace mpsearch
