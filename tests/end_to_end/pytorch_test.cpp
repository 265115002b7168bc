// The CPU's training steps in FP32 against what PyTorch computed (tests/reference/README.md).
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "models/onnx/import.h"
#include "runtime/backend.h"
#include "runtime/host_tensor.h"
#include "runtime/session.h"
#include "tests/support/pytorch_net.h"

namespace mpsearch {
namespace {

using reference::distance;
using reference::norm;
using reference::Numbers;

using Net = reference::PyTorchNet;

/// Part `part` of the numbers that fills `out`.
template <class T>
void stage(const Numbers& numbers, std::int64_t part, std::span<std::byte> out) {
  const std::vector<T> values(numbers.begin(), numbers.end());
  const std::size_t first = static_cast<std::size_t>(part) * out.size();
  ASSERT_LE(first + out.size(), values.size() * sizeof(T));
  std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values.data()) + first, out.size());
}

class PyTorch : public testing::TestWithParam<Net> {
 protected:
  /// The net in FP32 with the reference batch in `micro_batches` parts; every kernel is the
  /// backend's first guess.
  Session session(OptimizerKind kind, double momentum, double weight_decay,
                  std::int64_t micro_batches = 1) const {
    TrainingOptions options;
    options.optimizer.kind = kind;
    options.optimizer.momentum = momentum;
    options.optimizer.weight_decay = weight_decay;
    options.micro_batches = micro_batches;
    const std::int64_t batch = data_.at("input").shape[0];
    EXPECT_EQ(batch % micro_batches, 0);
    const Model model = import_model(GetParam().path(), {.batch = batch / micro_batches});
    const std::vector<Precision> precision(model.graph.layers.size(), Precision::FP32);
    const ChooseKernel first = [&](const KernelCall& call) {
      const std::vector<KernelChoice> candidates = backend_->candidates(call);
      require(!candidates.empty(), ErrorKind::Unavailable, "no kernel for a call of this net");
      return candidates.front();
    };
    return Session(prepare(model, options, precision, first), *backend_);
  }

  Session sgd(std::int64_t micro_batches = 1) const {
    return session(OptimizerKind::Sgd, 0.9, 0, micro_batches);
  }

  /// One step on the reference batch.
  void step(Session& session, std::uint64_t attempt, float rate) const {
    session.step({.attempt = attempt, .learning_rate = rate}, [&](std::int64_t part) {
      stage<float>(data_.at("input").numbers, part, session.input(0));
      if (session.target_type().form.dtype == DType::I64) {
        stage<std::int64_t>(data_.at("labels").numbers, part, session.target());
      } else {
        stage<std::int32_t>(data_.at("labels").numbers, part, session.target());
      }
    });
  }

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
      step(session, i, rate);
      EXPECT_NEAR(session.training_result().loss, expected[i], 1e-4) << "step " << i + 1;
    }
  }

  /// After one step of SGD from momentum 0.
  void expect_gradients(const Session& session) const {
    for (const auto& [key, array] : data_) {
      if (!key.starts_with("grad64/")) continue;
      const std::string name = key.substr(key.find('/') + 1);
      const Numbers gradient = read(session, name + ".momentum");
      ASSERT_EQ(gradient.size(), array.numbers.size()) << name;
      EXPECT_LE(distance(gradient, array.numbers), reference::allowed_distance(data_, name))
          << name;
    }
  }

  const std::map<std::string, reference::Array> data_ = GetParam().read_data();
  const std::unique_ptr<Backend> backend_ = make_backend("cpu", 2);
};

/// After one step SGD's momentum is the gradient. Running statistics are checked on the way.
TEST_P(PyTorch, GradientsAreAsNearToFp64AsItsOwnAndStatisticsRun) {
  Session session = sgd();
  step(session, 0, 0.05F);
  EXPECT_NEAR(session.training_result().loss, data_.at("loss64").numbers[0], 1e-5);
  expect_gradients(session);
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

INSTANTIATE_TEST_SUITE_P(Fp32, PyTorch, reference::pytorch_nets(), reference::name_of_net);

/// Nets without batch statistics do not see into how many parts a batch was cut.
class PyTorchInParts : public PyTorch {};

TEST_P(PyTorchInParts, AccumulatedGradientsAreThoseOfTheWholeBatch) {
  for (const std::int64_t parts : {2, 4}) {
    Session session = sgd(parts);
    step(session, 0, 0.05F);
    EXPECT_NEAR(session.training_result().loss, data_.at("loss64").numbers[0], 1e-5);
    expect_gradients(session);
  }
}

TEST_P(PyTorchInParts, TenAccumulatedStepsLoseAsItsSteps) {
  expect_losses(sgd(2), 0.05F, "losses64/sgd");
  expect_losses(session(OptimizerKind::AdamW, 0, 0.01, 2), 1e-3F, "losses64/adamw");
}

INSTANTIATE_TEST_SUITE_P(Fp32, PyTorchInParts, testing::Values(Net{"lenet", "lenet"}),
                         reference::name_of_net);

}  // namespace
}  // namespace mpsearch
