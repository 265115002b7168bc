// Ten nets in the three ways in which PyTorch exports, trained by the CPU runtime against what
// PyTorch computed (tests/reference/README.md, make_exports.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "models/onnx/import.h"
#include "runtime/executable.h"
#include "runtime/host_tensor.h"
#include "runtime/session.h"
#include "search/planner.h"
#include "search/restrict.h"
#include "tests/support/npz.h"
#include "tests/support/storage.h"

namespace mpsearch {
namespace {

using reference::Numbers;

struct Net {
  std::string name;
  std::string way;
  std::vector<OutputLoss> losses;  // as small_nets.py
};

void PrintTo(const Net& net, std::ostream* out) { *out << net.name << ", " << net.way; }

/// Ten nets in each of PyTorch's three ways.
std::vector<Net> nets() {
  const std::vector<OutputLoss> classes{{"logits", LossKind::CrossEntropy, 1}};
  std::vector<Net> all;
  for (const char* way : {"training", "unoptimized", "default"}) {
    for (const char* name :
         {"squeeze", "dense", "depthwise", "encoder", "tied", "language", "unet", "signal"}) {
      all.push_back({name, way, classes});
    }
    all.push_back({"discriminator", way, {{"logits", LossKind::BinaryCrossEntropy, 1}}});
    all.push_back({"vae",
                   way,
                   {{"image", LossKind::MeanSquaredError, 1},
                    {"divergence", LossKind::MeanSquaredError, 0.25}}});
  }
  return all;
}

std::string path_of(const std::string& file) {
  return std::string(MPSEARCH_SOURCE_DIR) + "/tests/reference/exports/" + file;
}

double norm(const Numbers& a) {
  double sum = 0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

Numbers transposed(const Numbers& a, const Shape& shape) {
  Numbers out(a.size());
  const auto rows = static_cast<std::size_t>(shape[0]);
  const auto columns = static_cast<std::size_t>(shape[1]);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) out[c * rows + r] = a[r * columns + c];
  }
  return out;
}

class Exports : public testing::TestWithParam<Net> {
 protected:
  void SetUp() override {
    const std::string file = net_.name + "-" + way_;
    const bool own = std::filesystem::exists(path_of(file + ".npz"));
    data_ = reference::read_npz(path_of((own ? file : net_.name) + ".npz"));
    ImportOptions options;
    for (const OutputLoss& loss : net_.losses) options.outputs.push_back(loss.output);
    model_ = import_model(path_of(file + ".onnx"), options);
  }

  TrainingOptions options(OptimizerKind kind) const {
    TrainingOptions options;
    options.losses = net_.losses;
    options.optimizer.kind = kind;
    options.optimizer.momentum = kind == OptimizerKind::Sgd ? 0.9 : 0;
    options.optimizer.weight_decay = kind == OptimizerKind::Sgd ? 0 : 0.01;
    return options;
  }

  /// Uniform in `precision` where the layers allow it, with the reference batch staged.
  Session session(OptimizerKind kind, Precision precision) const {
    Model narrowed = model_;
    TrainingOptions training = options(kind);
    restrict_layers(narrowed, training, {}, *backend_);
    const std::vector<Precision> plan = uniform_policy(narrowed.graph, precision);
    Session session(
        prepare(model_, scaled_options(training, "auto", plan), plan,
                [&](const KernelCall& call) { return choose_kernel(*backend_, {}, call); }),
        *backend_);
    const StepGraph& step = session.prepared().training.step;
    for (std::size_t i = 0; i < step.data.size(); ++i) {
      fill(session.input(i), "input/" + step.graph.value(step.data[i]).name, session.input_type(i));
    }
    for (std::size_t i = 0; i < net_.losses.size(); ++i) {
      fill(session.target(i), "target/" + net_.losses[i].output, session.target_type(i));
    }
    return session;
  }

  void fill(std::span<std::byte> out, const std::string& key, const TensorType& type) const {
    const std::vector<std::byte> bytes = reference::stored(data_.at(key).numbers, type);
    ASSERT_EQ(bytes.size(), out.size()) << key;
    std::ranges::copy(bytes, out.begin());
  }

  static Numbers read(const Session& session, const std::string& name) {
    for (const Value& value : session.prepared().training.lowered.graph.values) {
      if (value.name != name) continue;
      const std::vector<float> content = to_host(session.read(name), value.type);
      return {content.begin(), content.end()};
    }
    ADD_FAILURE() << "nothing trains as " << name;
    return {};
  }

  /// The gradient where the file keeps the parameter, in PyTorch's order of dimensions.
  Numbers gradient(const Session& session, const std::string& name) const {
    const std::string prefix = "in_" + way_ + "/" + name + "/";
    const auto found = data_.lower_bound(prefix);
    if (found == data_.end() || !found->first.starts_with(prefix)) return {};  // no initializer
    std::string where = found->first.substr(prefix.size());
    const bool turned = where.ends_with(".T");
    if (turned) where.resize(where.size() - 2);
    const Numbers numbers = read(session, where + ".momentum");
    const Shape& shape = data_.at("grad64/" + name).shape;
    return turned ? transposed(numbers, {shape[1], shape[0]}) : numbers;
  }

  void expect_losses(OptimizerKind kind, float rate, const std::string& key) const {
    Session net = session(kind, Precision::FP32);
    const Numbers& expected = data_.at(key).numbers;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      net.step({0, i, rate});
      EXPECT_NEAR(net.training_result().loss, expected[i], 1e-4) << key << " step " << i + 1;
    }
  }

  const Net& net_ = GetParam();
  const std::string& way_ = GetParam().way;
  std::map<std::string, reference::Array> data_;
  Model model_;
  const std::unique_ptr<Backend> backend_ = make_backend("cpu", 1);
};

/// numerics.md, section 9; after one step SGD's momentum is the gradient.
TEST_P(Exports, GradientsAreAsNearToFp64AsPyTorchsOwn) {
  Session net = session(OptimizerKind::Sgd, Precision::FP32);
  net.step({0, 0, 0.02F});
  EXPECT_NEAR(net.training_result().loss, data_.at("loss64").numbers[0], 1e-5);
  double largest = 0;
  for (const auto& [key, array] : data_) {
    if (key.starts_with("grad64/")) largest = std::max(largest, norm(array.numbers));
  }
  int compared = 0;
  for (const auto& [key, array] : data_) {
    if (!key.starts_with("grad64/")) continue;
    const std::string name = key.substr(7);
    Numbers difference = gradient(net, name);
    if (difference.empty()) continue;
    ASSERT_EQ(difference.size(), array.numbers.size()) << name;
    for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= array.numbers[i];
    const double theirs = data_.at("error32/" + name).numbers[0];
    EXPECT_LE(norm(difference), std::max(1e-5, 3 * theirs) * norm(array.numbers) + 1e-7 * largest)
        << name;
    ++compared;
  }
  EXPECT_GE(compared, 4);
}

TEST_P(Exports, TenStepsLoseAsPyTorchs) {
  expect_losses(OptimizerKind::Sgd, 0.02F, "losses64/sgd");
  expect_losses(OptimizerKind::AdamW, 1e-3F, "losses64/adamw");
}

TEST_P(Exports, TwentyStepsLearnInEveryTier) {
  for (const Precision precision : kPrecisions) {
    Session net = session(OptimizerKind::AdamW, precision);
    std::vector<float> losses;
    for (std::uint64_t i = 0; i < 20; ++i) {
      net.step({0, i, 2e-3F});
      losses.push_back(net.training_result().loss);
      ASSERT_TRUE(std::isfinite(losses.back())) << name_of(precision);
    }
    EXPECT_LT(losses.back(), losses.front()) << name_of(precision);
  }
}

INSTANTIATE_TEST_SUITE_P(PyTorch, Exports, testing::ValuesIn(nets()),
                         [](const auto& test) { return test.param.name + "_" + test.param.way; });

}  // namespace
}  // namespace mpsearch
