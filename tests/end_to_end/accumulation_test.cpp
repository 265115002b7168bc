// Gradient accumulation on a net with batch norms: what is summed, what a skipped step leaves
// alone.
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "runtime/backend.h"
#include "runtime/session.h"
#include "tests/support/small_nets.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kParts = 3;

class Accumulation : public ::testing::Test {
 protected:
  Session session(std::int64_t micro_batches) const {
    TrainingOptions options;
    options.micro_batches = micro_batches;
    const std::vector<Precision> precision(model_.graph.layers.size(), Precision::FP32);
    const ChooseKernel first = [&](const KernelCall& call) {
      return backend_->candidates(call).at(0);
    };
    return Session(prepare(model_, options, precision, first), *backend_);
  }

  /// Pseudo-random numbers and labels, others for each part.
  static void stage(Session& session, std::int64_t part, float first = 0) {
    std::mt19937 random(static_cast<unsigned>(part));
    const auto fill = [&](std::span<std::byte> out, auto next) {
      using T = decltype(next());
      for (std::size_t at = 0; at < out.size(); at += sizeof(T)) {
        const T value = next();
        std::memcpy(out.data() + at, &value, sizeof value);
      }
    };
    fill(session.input(0), [&] { return static_cast<float>(random() % 1000) / 500 - 1; });
    fill(session.target(), [&] { return static_cast<std::int64_t>(random() % 5); });
    if (first != 0) std::memcpy(session.input(0).data(), &first, sizeof first);
  }

  static std::vector<float> numbers(const Session& session, const std::string& name) {
    std::vector<float> out(session.read(name).size() / sizeof(float));
    std::memcpy(out.data(), session.read(name).data(), out.size() * sizeof(float));
    return out;
  }

  const Model model_ = testing::residual_net(4);
  const std::unique_ptr<Backend> backend_ = make_backend("cpu", 1);
};

TEST_F(Accumulation, RunningStatisticsAreThoseOfAnUpdateAfterEachMicroBatch) {
  Session together = session(kParts);
  Session apart = session(1);
  for (std::uint64_t attempt = 0; attempt < 2; ++attempt) {
    together.step({.attempt = attempt, .learning_rate = 0},
                  [&](std::int64_t part) { stage(together, part); });
  }
  for (std::uint64_t attempt = 0; attempt < 2 * kParts; ++attempt) {
    stage(apart, static_cast<std::int64_t>(attempt) % kParts);
    apart.step({.attempt = attempt, .learning_rate = 0});
  }
  std::size_t compared = 0;
  for (const RunningStatisticsOf& running : model_.running_statistics) {
    for (const ValueId id : {running.mean, running.variance}) {
      const std::string& name = model_.graph.value(id).name;
      const std::vector<float> a = numbers(together, name);
      const std::vector<float> b = numbers(apart, name);
      for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-6) << name;
      compared += a.size();
    }
  }
  EXPECT_GT(compared, 0U);
}

TEST_F(Accumulation, AnOverflowInOneMicroBatchSkipsTheStepAndLeavesAllAsItWas) {
  Session session = this->session(kParts);
  const float infinite = std::numeric_limits<float>::infinity();
  session.step({.attempt = 0, .learning_rate = 0.01F},
               [&](std::int64_t part) { stage(session, part); });
  std::map<std::string, Bytes> before;
  for (const std::string& name : session.persistent_names()) {
    if (!name.ends_with(".sum") && name != "step_state") before[name] = session.read(name);
  }
  const StepState skipped =
      session.step({.attempt = 1, .learning_rate = 0.01F},
                   [&](std::int64_t part) { stage(session, part, part == 1 ? infinite : 0.0F); });
  EXPECT_EQ(skipped.overflow, 1);
  EXPECT_EQ(skipped.accepted, 1);
  for (const auto& [name, content] : before) EXPECT_EQ(session.read(name), content) << name;

  const StepState next = session.step({.attempt = 2, .learning_rate = 0.01F},
                                      [&](std::int64_t part) { stage(session, part); });
  EXPECT_EQ(next.overflow, 0);
  EXPECT_EQ(next.accepted, 2);
}

TEST_F(Accumulation, LossesAreMeansAndHitsAreSumsOfTheMicroBatches) {
  Session together = session(kParts);
  Session apart = session(1);
  together.step({.learning_rate = 0}, [&](std::int64_t part) { stage(together, part); });
  double loss = 0, correct = 0;
  for (std::int64_t part = 0; part < kParts; ++part) {
    stage(apart, part);
    apart.step({.learning_rate = 0});
    loss += static_cast<double>(apart.training_result().loss) / kParts;
    correct += apart.training_result().correct;
  }
  EXPECT_NEAR(together.training_result().loss, loss, 1e-6);
  EXPECT_EQ(together.training_result().correct, correct);
  EXPECT_EQ(together.training_result().count, kParts * 4);
}

}  // namespace
}  // namespace mpsearch
