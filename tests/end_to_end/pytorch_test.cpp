// The CPU's training steps in FP32 against what PyTorch computed (tests/reference/README.md).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "models/onnx/import.h"
#include "runtime/backend.h"
#include "runtime/host_tensor.h"
#include "runtime/session.h"
#include "tests/support/npz.h"

namespace mpsearch {
namespace {

using reference::Numbers;

struct Net {
  std::string model;  // of tests/reference, without .onnx
  std::string data;   // without .npz
};

std::string path_of(const std::string& file) {
  return std::string(MPSEARCH_SOURCE_DIR) + "/tests/reference/" + file;
}

template <class T>
void stage(const Numbers& numbers, std::span<std::byte> out) {
  const std::vector<T> values(numbers.begin(), numbers.end());
  ASSERT_EQ(out.size(), values.size() * sizeof(T));
  std::memcpy(out.data(), values.data(), out.size());
}

double norm(const Numbers& a) {
  double sum = 0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

double distance(Numbers a, const Numbers& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return norm(a);
}

class PyTorch : public testing::TestWithParam<Net> {
 protected:
  /// The net in FP32 with the reference batch staged; every kernel is the backend's first guess.
  Session session(OptimizerKind kind, double momentum, double weight_decay) const {
    TrainingOptions options;
    options.optimizer.kind = kind;
    options.optimizer.momentum = momentum;
    options.optimizer.weight_decay = weight_decay;
    const Model model =
        import_model(path_of(GetParam().model + ".onnx"), {.batch = data_.at("input").shape[0]});
    const std::vector<Precision> precision(model.graph.layers.size(), Precision::FP32);
    const ChooseKernel first = [&](const KernelCall& call) {
      const std::vector<KernelChoice> candidates = backend_->candidates(call);
      require(!candidates.empty(), ErrorKind::Unavailable, "no kernel for a call of this net");
      return candidates.front();
    };
    Session session(prepare(model, options, precision, first), *backend_);
    stage<float>(data_.at("input").numbers, session.input(0));
    if (session.target_type().form.dtype == DType::I64) {
      stage<std::int64_t>(data_.at("labels").numbers, session.target());
    } else {
      stage<std::int32_t>(data_.at("labels").numbers, session.target());
    }
    return session;
  }

  Session sgd() const { return session(OptimizerKind::Sgd, 0.9, 0); }

  /// Content of a parameter or state value.
  static Numbers read(const Session& session, const std::string& name) {
    for (const Value& value : session.prepared().training.lowered.graph.values) {
      const bool kept = value.kind == ValueKind::Parameter || value.kind == ValueKind::State;
      if (!kept || value.name != name) continue;
      const std::vector<float> content = to_host(session.read(name), value.type);
      return {content.begin(), content.end()};
    }
    ADD_FAILURE() << "no value " << name;
    return {};
  }

  void expect_losses(Session session, float rate, const std::string& key) const {
    const Numbers& expected = data_.at(key).numbers;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      StepInputs inputs;
      inputs.attempt = i;
      inputs.learning_rate = rate;
      session.step(inputs);
      EXPECT_NEAR(session.training_result().loss, expected[i], 1e-4) << "step " << i + 1;
    }
  }

  const std::map<std::string, reference::Array> data_ =
      reference::read_npz(path_of(GetParam().data + ".npz"));
  const std::unique_ptr<Backend> backend_ = make_backend("cpu", 2);
};

/// numerics.md, section 9: ||g - g64|| <= max(1e-5, 3 x PyTorch's FP32 error) ||g64|| + 1e-7 of the
/// largest. After one step SGD's momentum is the gradient. Running statistics are checked on the
/// way.
TEST_P(PyTorch, GradientsAreAsNearToFp64AsItsOwnAndStatisticsRun) {
  Session session = sgd();
  StepInputs inputs;
  inputs.learning_rate = 0.05F;
  session.step(inputs);
  EXPECT_NEAR(session.training_result().loss, data_.at("loss64").numbers[0], 1e-5);
  double largest = 0;
  for (const auto& [key, array] : data_) {
    if (key.starts_with("grad64/")) largest = std::max(largest, norm(array.numbers));
  }
  for (const auto& [key, array] : data_) {
    if (!key.starts_with("grad64/")) continue;
    const std::string name = key.substr(key.find('/') + 1);
    const Numbers gradient = read(session, name + ".momentum");
    ASSERT_EQ(gradient.size(), array.numbers.size()) << name;
    const double theirs = data_.at("error32/" + name).numbers[0];
    EXPECT_LE(distance(gradient, array.numbers),
              std::max(1e-5, 3 * theirs) * norm(array.numbers) + 1e-7 * largest)
        << name;
  }
  for (const auto& [key, array] : data_) {
    if (!key.starts_with("running64/")) continue;
    const std::string name = key.substr(key.find('/') + 1);
    EXPECT_LE(distance(read(session, name), array.numbers), 1e-6 * (1 + norm(array.numbers)))
        << name;
  }
}

TEST_P(PyTorch, TenStepsWithMomentumLoseAsItsSteps) { expect_losses(sgd(), 0.05F, "losses64/sgd"); }

TEST_P(PyTorch, TenStepsOfAdamWLoseAsItsSteps) {
  expect_losses(session(OptimizerKind::AdamW, 0, 0.01), 1e-3F, "losses64/adamw");
}

INSTANTIATE_TEST_SUITE_P(Fp32, PyTorch,
                         testing::Values(Net{"lenet", "lenet"}, Net{"lenet-default", "lenet"},
                                         Net{"vgg", "vgg"}, Net{"resnet18", "resnet18"},
                                         Net{"resnet18-unoptimized", "resnet18"}),
                         [](const auto& net) {
                           std::string name = net.param.model;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace mpsearch
