// The FP64 references themselves: against the golden values of the numerics design and against the
// shape rules of the registry.
#include "tests/support/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/step_state.h"
#include "tests/support/op_case.h"
#include "tests/support/rounding.h"
#include "tests/support/storage.h"

namespace mpsearch {
namespace {

using reference::Numbers;

TEST(Reference, GivesEveryOutputInTheShapeOfTheRule) {
  for (reference::OpCase& of : reference::all_cases()) {
    const std::vector<Numbers> outputs = reference::evaluate(of.call, of.inputs);
    ASSERT_EQ(outputs.size(), of.call.outputs.size()) << of.name;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_EQ(static_cast<std::int64_t>(outputs[i].size()), of.call.outputs[i].elements())
          << of.name;
      for (const double value : outputs[i]) ASSERT_TRUE(std::isfinite(value)) << of.name;
    }
  }
}

/// w after each of three steps with gradients 0.5, -0.25, 0.125 from w = 1.
std::vector<double> trajectory(const std::string& op, const Attributes& attributes, float rate) {
  const std::size_t buffers = op == "Adam" ? 2 : 1;
  const TensorType scalar{{1}, {}};
  const TensorType record{{sizeof(StepState)}, {DType::U8, {}}};
  KernelCall call{op, attributes, {scalar, scalar, record}, {}};
  call.inputs.insert(call.inputs.end(), buffers, scalar);
  std::vector<Numbers> inputs(call.inputs.size(), Numbers{0});
  inputs[0] = {1};
  std::vector<double> path;
  StepState state;
  state.learning_rate = rate;
  for (const double gradient : {0.5, -0.25, 0.125}) {
    ++state.accepted;
    inputs[1] = {gradient};
    inputs[2] = reference::numbers_of(state);
    reference::evaluate(call, inputs);
    path.push_back(inputs[0][0]);
  }
  return path;
}

void expect_path(const std::vector<double>& got, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(got[i], expected[i], 2e-8);
}

TEST(Reference, OptimizersFollowTheGoldenTrajectories) {
  const auto one = std::int64_t{1};
  expect_path(trajectory("Sgd", {{"momentum", 0.9}, {"weight_decay", 0.01}}, 0.1F),
              {0.949, 0.927151, 0.894059749});
  expect_path(
      trajectory("Sgd", {{"momentum", 0.9}, {"weight_decay", 0.01}, {"nesterov", one}}, 0.1F),
      {0.9031, 0.90757411, 0.864439208191});
  expect_path(
      trajectory("Sgd", {{"momentum", 0.9}, {"weight_decay", 0.01}, {"dampening", 0.5}}, 0.1F),
      {0.949, 0.9151255, 0.87793088725});
  expect_path(trajectory("Adam", {{"weight_decay", 0.01}}, 1e-3F),
              {0.9990000000196, 0.9987107702255, 0.9983444456763});
  expect_path(trajectory("Adam", {{"weight_decay", 0.01}, {"decoupled", one}}, 1e-3F),
              {0.99899000002, 0.9987136730871, 0.9983632568124});
}

TEST(Reference, LossScaleFollowsTheGoldenTrace) {
  const TensorType record{{sizeof(StepState)}, {DType::U8, {}}};
  const TensorType inputs_record{{sizeof(StepInputs)}, {DType::U8, {}}};
  const KernelCall call{"StepControl",
                        {{"growth_interval", 3.0}},
                        {record, inputs_record, {{}, {}}, {{2}, {DType::F64, {}}}},
                        {}};
  StepState state;
  state.loss_scale = 65536;
  state.dynamic = 1;
  std::vector<Numbers> inputs{
      reference::numbers_of(state), reference::numbers_of(StepInputs{}), {0.5}, {1, 0}};
  const float expected[] = {32768, 16384, 16384, 16384, 32768, 16384, 16384, 16384, 32768, 32768};
  for (int step = 1; step <= 10; ++step) {
    inputs[3][1] = step == 1 || step == 2 || step == 6 ? 3 : 0;
    reference::evaluate(call, inputs);
    EXPECT_EQ(reference::record_of<StepState>(inputs[0]).loss_scale, expected[step - 1])
        << "step " << step;
  }
  const auto last = reference::record_of<StepState>(inputs[0]);
  EXPECT_EQ(last.accepted, 7);
  EXPECT_EQ(last.skipped_total, 3);
}

TEST(Reference, QuantizesWithTheGoldenScales) {
  const auto factor = [](double amax, DType dtype, const char* recipe) {
    const KernelCall call{
        "Quantize", {{"recipe", std::string(recipe)}}, {{{2}, {}}}, {{{2}, {dtype, {}}}, {{}, {}}}};
    std::vector<Numbers> inputs{{amax, -amax / 3}};
    return 1 / reference::evaluate(call, inputs)[1][0];
  };
  EXPECT_NEAR(factor(3, DType::F8E4M3, "exact"), 149.33333, 1e-5);
  EXPECT_EQ(factor(3, DType::F8E4M3, "pow2"), 128);
  EXPECT_NEAR(factor(3, DType::F8E5M2, "exact"), 19114.666, 1e-3);
  EXPECT_EQ(factor(3, DType::F8E5M2, "pow2"), 16384);
  EXPECT_EQ(factor(7, DType::F8E4M3, "pow2"), 64);
  EXPECT_EQ(factor(7, DType::F8E5M2, "pow2"), 8192);
  EXPECT_EQ(factor(448, DType::F8E4M3, "pow2"), 1);
  EXPECT_EQ(factor(448, DType::F8E5M2, "pow2"), 128);
  EXPECT_NEAR(factor(500, DType::F8E4M3, "exact"), 0.896, 1e-12);
  EXPECT_EQ(factor(500, DType::F8E4M3, "pow2"), 0.5);
  EXPECT_EQ(factor(500, DType::F8E5M2, "pow2"), 64);
  EXPECT_EQ(factor(0, DType::F8E4M3, "pow2"), 1);
}

TEST(Reference, RoundsToNearestEvenAndSaturatesFp8) {
  using reference::rounded;
  EXPECT_EQ(rounded(0.1, DType::F8E4M3), 0.1015625);
  EXPECT_EQ(rounded(1.0625, DType::F8E4M3), 1);
  EXPECT_EQ(rounded(464.1, DType::F8E4M3), 448);
  EXPECT_EQ(rounded(0.1, DType::F8E5M2), 0.09375);
  EXPECT_EQ(rounded(61440, DType::F8E5M2), 57344);
  EXPECT_EQ(rounded(70000, DType::F16), std::numeric_limits<double>::infinity());
  EXPECT_EQ(rounded(1 + 0x1p-8, DType::BF16), 1);
}

TEST(Storage, GivesBackWhatItStoredInEveryFormOfACase) {
  for (const reference::OpCase& of : reference::all_cases()) {
    for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
      const KernelCall call = reference::in_forms(of, Precision::FP32, layout);
      for (std::size_t i = 0; i < of.inputs.size(); ++i) {
        const auto bytes = reference::stored(of.inputs[i], call.inputs[i]);
        ASSERT_EQ(reference::loaded(bytes.data(), call.inputs[i]), of.inputs[i])
            << of.name << " input " << i;
      }
    }
  }
}

TEST(Storage, OrdersChannelsLast) {
  const TensorType type{{1, 2, 1, 3}, {DType::F32, Layout::ChannelsLast}};
  const auto bytes = reference::stored({0, 1, 2, 10, 11, 12}, type);
  EXPECT_EQ(reference::loaded(bytes.data(), {{6}, {}}), (Numbers{0, 10, 1, 11, 2, 12}));
}

}  // namespace
}  // namespace mpsearch
