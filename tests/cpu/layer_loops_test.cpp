// The loops of batch norms, pools, softmax, losses and the end of a step: every sample of the
// registry in every tier and layout, with FP8-saved activations, and at sizes of several blocks,
// against FP64.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "kernels/step_state.h"
#include "tests/cpu/loop_case.h"
#include "tests/support/tolerance.h"

namespace mpsearch {
namespace {

using reference::Numbers;
using reference::OpCase;
using test::backend_of;
using test::bytes_of_level;
using test::large_case;
using test::outputs_of;
using test::tensor_of;

const std::set<std::string> kOps{"BatchNormalization",
                                 "BatchNormGrad",
                                 "BatchNormInference",
                                 "BatchNormInferenceGrad",
                                 "LayerNormalization",
                                 "LayerNormGrad",
                                 "RMSNormalization",
                                 "RMSNormGrad",
                                 "GroupNormalization",
                                 "GroupNormGrad",
                                 "CumSum",
                                 "Trilu",
                                 "RunningStatistics",
                                 "MaxPool",
                                 "MaxPoolGrad",
                                 "AveragePool",
                                 "AveragePoolGrad",
                                 "GlobalAveragePool",
                                 "Softmax",
                                 "SoftmaxGrad",
                                 "LogSoftmax",
                                 "LogSoftmaxGrad",
                                 "SoftmaxCrossEntropy",
                                 "SoftmaxCrossEntropyGrad",
                                 "MeanSquaredError",
                                 "MeanSquaredErrorGrad",
                                 "SigmoidCrossEntropy",
                                 "SigmoidCrossEntropyGrad",
                                 "GradientStatistics",
                                 "StepControl",
                                 "Sgd",
                                 "Adam"};

const std::vector<Precision> kTiers{Precision::FP32, Precision::BF16, Precision::FP16,
                                    Precision::FP8};

/// The call as lowering gives it (models/forms.cpp): backward reads activations as they were saved.
KernelCall lowered(const OpCase& of, Precision tier, Layout layout) {
  KernelCall call = reference::in_forms(of, tier, layout);
  const bool backward = call.op.ends_with("Grad");
  for (std::size_t i = 1; backward && i < call.inputs.size(); ++i) {
    if (role_of_input(*of.op, i) == Role::Carrier) {
      call.inputs[i].form.dtype = formats_of(tier).saved;
    }
  }
  return call;
}

std::vector<Layout> layouts_of(const OpCase& of) {
  if (of.op->layout == LayoutRule::RowMajor) return {Layout::RowMajor};
  return {Layout::RowMajor, Layout::ChannelsLast};
}

double largest(const Numbers& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::fabs(value));
  return most;
}

/// Magnitude and number of the terms that FP32 arithmetic adds up to an element.
struct Terms {
  double magnitude = 0;
  std::int64_t count = 1;
};

/// Inputs multiply each other at most once, statistics divide.
Terms terms_of(const KernelCall& call, const std::vector<Numbers>& inputs,
               const std::vector<Numbers>& expected, std::size_t output) {
  const std::string& op = call.op;
  Terms terms{.magnitude = 1};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (is_float(call.inputs[i].form.dtype)) terms.magnitude *= std::max(1.0, largest(inputs[i]));
  }
  if (op.starts_with("BatchNorm")) {
    const bool forward = op == "BatchNormalization";
    const Numbers& variances = forward ? expected[2] : inputs[4];
    const double variance = *std::min_element(variances.begin(), variances.end());
    const double invstd = 1 / std::sqrt(variance + call.attributes.number("epsilon", 1e-5));
    terms.count = call.inputs[0].elements() / call.inputs[0].shape[1];
    if (forward && output == 1) return {largest(inputs[0]), terms.count};
    if (forward && output == 2) {
      const auto [low, high] = std::ranges::minmax(inputs[0]);
      return {(high - low) * (high - low), terms.count};
    }
    if (forward) {
      return {largest(inputs[0]) * largest(inputs[1]) * invstd + largest(inputs[2]), 1};
    }
    terms.magnitude *= std::max(1.0, invstd * invstd);
    if (op.ends_with("Grad") && output > 0) terms.magnitude *= static_cast<double>(terms.count);
    return terms;
  }
  if (op.starts_with("LayerNorm") || op.starts_with("RMSNorm") || op.starts_with("GroupNorm")) {
    const bool grad = op.ends_with("Grad");
    const Numbers& invstds = grad ? inputs.back() : expected.back();
    const double invstd = std::max(1.0, largest(invstds));
    terms.count = call.inputs[grad].elements() / static_cast<std::int64_t>(invstds.size());
    if (grad) {
      terms.magnitude *= invstd;
      if (output > 0) {
        terms.count = call.inputs[1].elements() / call.inputs[2].elements();
        terms.magnitude *= static_cast<double>(terms.count);
      }
    } else if (output == 0) {
      terms.magnitude = largest(inputs[0]) * largest(inputs[1]) * invstd;
      if (inputs.size() > 2) terms.magnitude += largest(inputs[2]);
    } else {
      const bool mean = output + 1 < expected.size();
      terms.magnitude =
          mean ? largest(inputs[0]) : std::pow(invstd * largest(inputs[0]), 2) * invstd;
    }
    return terms;
  }
  if (op == "CumSum") {
    const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
    terms.magnitude *= static_cast<double>(call.inputs[0].shape[axis]);
  }
  if (op == "GlobalAveragePool") {
    terms.count = call.inputs[0].elements() / call.outputs[0].elements();
  } else if (op.find("Pool") != std::string::npos) {
    for (const std::int64_t k : call.attributes.integers("kernel_shape")) terms.count *= k;
    if (op.ends_with("Grad")) terms.magnitude *= static_cast<double>(terms.count);
  } else if (op.starts_with("Softmax") || op.starts_with("LogSoftmax")) {
    const std::int64_t last = static_cast<std::int64_t>(call.inputs[0].shape.size()) - 1;
    const std::int64_t axis =
        op.find("CrossEntropy") != std::string::npos ? last : call.attributes.integer("axis", last);
    terms.count = call.inputs[0].shape[static_cast<std::size_t>(axis < 0 ? axis + last + 1 : axis)];
    if (op == "LogSoftmaxGrad") terms.magnitude = static_cast<double>(terms.count);
  }
  if (op.ends_with("CrossEntropyGrad") || op == "MeanSquaredErrorGrad") {
    const double scale = reference::record_of<StepState>(inputs[2]).loss_scale;
    const std::size_t count = op.starts_with("Softmax") ? inputs[1].size() : inputs[0].size();
    // The factor of the square, or the labels that are ignored.
    terms.magnitude *= 2 * scale / static_cast<double>(count);
  }
  return terms;
}

/// A step's record: counters exactly, what was computed to two roundings.
void expect_same_state(const Numbers& got, const Numbers& expected) {
  const auto a = reference::record_of<StepState>(got);
  const auto b = reference::record_of<StepState>(expected);
  EXPECT_EQ(a.loss_scale, b.loss_scale);
  EXPECT_EQ(a.good, b.good);
  EXPECT_EQ(a.hysteresis, b.hysteresis);
  EXPECT_EQ(a.consecutive, b.consecutive);
  EXPECT_EQ(a.dynamic, b.dynamic);
  EXPECT_EQ(a.skipped_total, b.skipped_total);
  EXPECT_EQ(a.accepted, b.accepted);
  EXPECT_EQ(a.overflow, b.overflow);
  EXPECT_EQ(a.first_bad, b.first_bad);
  EXPECT_FLOAT_EQ(a.loss, b.loss);
  EXPECT_FLOAT_EQ(a.norm, b.norm);
  EXPECT_FLOAT_EQ(a.gradient_factor, b.gradient_factor);
  EXPECT_FLOAT_EQ(a.learning_rate, b.learning_rate);
}

void expect_near(const Numbers& got, const Numbers& expected, DType dtype, const Terms& terms) {
  constexpr std::int64_t kOperations = 16;  // that make a term
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t k = 0; k < got.size(); ++k) {
    const double limit = is_float(dtype) ? reference::tolerance(expected[k], dtype, terms.magnitude,
                                                                kOperations * terms.count)
                                         : 0;
    ASSERT_LE(std::fabs(got[k] - expected[k]), limit)
        << "element " << k << ": " << got[k] << ", expected " << expected[k];
  }
}

/// Runs the call on what its tensors can hold of `numbers`, on one and on two threads.
void check(const OpCase& of, const KernelCall& call) {
  SCOPED_TRACE(of.name + " " + key_of(call));
  ASSERT_EQ(backend_of(1).candidates(call).size(), 1u);
  std::vector<test::Tensor> inputs;
  std::vector<Numbers> held;
  for (std::size_t i = 0; i < of.inputs.size(); ++i) {
    inputs.push_back(tensor_of(call.inputs[i], of.inputs[i]));
    held.push_back(
        reference::loaded(inputs[i].bytes.data(), call.inputs[i], double{inputs[i].scale}));
  }
  std::vector<test::Tensor> again = inputs;
  const std::vector<test::Tensor> one = outputs_of(call, inputs, 1);
  const std::vector<test::Tensor> two = outputs_of(call, again, 2);
  std::vector<Numbers> changed = held;
  const std::vector<Numbers> expected = reference::evaluate(call, changed);
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    SCOPED_TRACE("output " + std::to_string(i));
    EXPECT_EQ(one[i].bytes, two[i].bytes) << "depends on the threads";
    expect_near(reference::loaded(one[i].bytes.data(), call.outputs[i]), expected[i],
                call.outputs[i].form.dtype, terms_of(call, held, expected, i));
    if (testing::Test::HasFatalFailure()) return;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE("input " + std::to_string(i));
    EXPECT_EQ(inputs[i].bytes, again[i].bytes) << "depends on the threads";
    const Numbers got =
        reference::loaded(inputs[i].bytes.data(), call.inputs[i], double{inputs[i].scale});
    if (std::ranges::count(of.op->mutates, static_cast<int>(i)) == 0) {
      EXPECT_EQ(got, held[i]) << "is written";
    } else if (call.op == "StepControl") {
      expect_same_state(got, changed[i]);
    } else {
      expect_near(got, changed[i], DType::F32, terms_of(call, held, expected, 0));
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

void check_forms(const OpCase& of, const std::vector<Precision>& tiers) {
  for (const Precision tier : tiers) {
    for (const Layout layout : layouts_of(of)) {
      check(of, lowered(of, tier, layout));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

/// FP8 layers carry BF16.
void check_large(const std::string& op, const Attributes& attributes,
                 const std::vector<Shape>& shapes, const std::vector<DType>& own, double low,
                 double high = 2) {
  check_forms(large_case(op, attributes, shapes, own, low, high),
              {Precision::FP32, Precision::FP8});
}

TEST(LayerLoops, EverySampleInEveryTierAndLayoutAgreesWithFp64) {
  std::set<std::string> seen;
  for (const OpCase& of : reference::all_cases()) {
    if (!kOps.contains(of.call.op)) continue;
    seen.insert(of.call.op);
    check_forms(of, kTiers);
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_EQ(seen.size(), kOps.size());
}

TEST(LayerLoops, EveryInstructionSetLevelGivesTheSameBits) {
  for (const OpCase& of : reference::all_cases()) {
    if (!kOps.contains(of.call.op)) continue;
    for (const Precision tier : {Precision::FP32, Precision::FP8}) {
      for (const Layout layout : layouts_of(of)) {
        const KernelCall call = lowered(of, tier, layout);
        const auto best = bytes_of_level(cpu::best_level(), of, call);
        for (const cpu::CompiledLevel& level : cpu::compiled_levels()) {
          if (!level.supported()) continue;
          EXPECT_EQ(bytes_of_level(level.level(), of, call), best)
              << level.level().name << ' ' << of.name << ' ' << key_of(call);
        }
      }
    }
  }
}

TEST(LayerLoops, BatchNormsOfManyBlocksAgreeWithFp64) {
  for (const Shape& x : {Shape{8, 64, 32, 32}, Shape{3, 70, 29, 31}, Shape{2000, 37}}) {
    const Shape c{x[1]};
    check_large("BatchNormalization", {}, {x, c, c}, {}, -2);
    OpCase offset = large_case("BatchNormalization", {}, {x, c, c}, {}, -2);
    for (double& value : offset.inputs[0]) value = static_cast<float>(value + 1000);
    check_forms(offset, {Precision::FP32});
    check_large("BatchNormInference", {}, {x, c, c, c, c}, {}, -2);
    check_large("BatchNormGrad", {}, {x, x, c, c, c}, {}, -2);
    check_large("BatchNormInferenceGrad", {}, {x, x, c, c, c}, {}, 0.5);
  }
}

TEST(LayerLoops, RowAndGroupNormsOfManyBlocksAgreeWithFp64) {
  for (const Shape& x : {Shape{700, 320}, Shape{9, 20001}}) {
    const Attributes axis{{"axis", std::int64_t{1}}};
    const Shape row{x[1]}, rows{x[0], 1};
    check_large("LayerNormalization", axis, {x, row, row}, {}, -2);
    check_large("RMSNormalization", axis, {x, row}, {}, -2);
    check_large("LayerNormGrad", axis, {x, x, row, rows, rows}, {}, -2);
    check_large("RMSNormGrad", axis, {x, x, row, rows}, {}, -2);
  }
  for (const auto& [x, groups] : {std::pair{Shape{3, 70, 29, 31}, std::int64_t{7}},
                                  {Shape{2, 600, 9, 8}, std::int64_t{600}},
                                  {Shape{1, 1040, 20, 20}, std::int64_t{2}}}) {
    const Attributes of{{"num_groups", groups}};
    const Shape c{x[1]}, g{x[0], groups};
    check_large("GroupNormalization", of, {x, c, c}, {}, -2);
    check_large("GroupNormGrad", of, {x, x, c, g, g}, {}, -2);
  }
}

TEST(LayerLoops, PoolsOfManyBlocksAgreeWithFp64) {
  const Shape x{3, 70, 29, 31};
  const Attributes pool{
      {"kernel_shape", Shape{3, 3}}, {"strides", Shape{2, 2}}, {"pads", Shape{1, 1, 1, 1}}};
  Attributes grad = pool;
  grad.set("input_shape", x);
  const Shape y{3, 70, 15, 16};
  check_large("MaxPool", pool, {x}, {}, -2);
  check_large("AveragePool", pool, {x}, {}, -2);
  check_large("MaxPoolGrad", grad, {y, y}, {DType::F32, DType::U8}, -2);
  check_large("AveragePoolGrad", grad, {y}, {}, -2);
  check_large("GlobalAveragePool", {}, {x}, {}, -2);
}

TEST(LayerLoops, OutputsThatTrainingKeepsMayBeLeftOut) {
  for (OpCase of : reference::all_cases()) {
    if (of.call.op != "MaxPool" && of.call.op != "BatchNormalization" &&
        of.call.op != "LayerNormalization" && of.call.op != "GroupNormalization" &&
        of.call.op != "SoftmaxCrossEntropy" && of.call.op != "SigmoidCrossEntropy") {
      continue;
    }
    // The bound of batch norms reads the statistics from the reference, which gives them all.
    of.call.outputs.resize(1);
    check_forms(of, kTiers);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(LayerLoops, SoftmaxAndLossesOfManyBlocksAgreeWithFp64) {
  for (const std::int64_t axis : {0, 1, 2}) {
    for (const std::string op : {"Softmax", "LogSoftmax"}) {
      const Attributes attributes{{"axis", axis}};
      const Shape x{37, 130, 45};
      check_large(op, attributes, {x}, {}, -9, 9);
      check_large(op, attributes, {x}, {}, -300, 300);
      check_large(op + "Grad", attributes, {x, x}, {}, -2);
    }
  }
  const Shape rows{301}, logits{301, 1000}, state{sizeof(StepState)};
  const std::vector<DType> labels{DType::F32, DType::I64, DType::U8};
  check_large("SoftmaxCrossEntropy", {}, {logits, rows}, labels, -9, 9);
  check_large("SoftmaxCrossEntropyGrad", {}, {logits, rows, state}, labels, -9, 9);
  check_large("SoftmaxCrossEntropy", {}, {logits, rows}, labels, -300, 300);
  check_large("SoftmaxCrossEntropyGrad", {}, {logits, rows, state}, labels, -300, 300);
  const std::vector<DType> targets{DType::F32, DType::F32, DType::U8};
  for (const std::string op : {"MeanSquaredError", "SigmoidCrossEntropy"}) {
    check_large(op, {}, {{50001}, {50001}}, {}, -9, 9);
    check_large(op + "Grad", {}, {{50001}, {50001}, state}, targets, -9, 9);
  }
}

TEST(LayerLoops, UpdatesOfManyBlocksAgreeWithFp64) {
  const Shape w{50001}, state{sizeof(StepState)};
  const std::vector<DType> own{DType::F32, DType::F32, DType::U8};
  check_large("GradientStatistics", {}, {w}, {}, -2);
  check_large("Sgd", {}, {w, w, state}, own, -2);
  check_large("Sgd", {{"momentum", 0.9}}, {w, w, state, w}, own, -2);
  check_large("Adam", {}, {w, w, state, w, w}, own, -2);
}

TEST(LayerLoops, ABatchWithoutAValidLabelHasNoLossAndNoGradient) {
  for (OpCase of : reference::all_cases()) {
    if (!of.call.op.starts_with("SoftmaxCrossEntropy")) continue;
    const std::int64_t ignored = of.call.attributes.integer("ignore_index", -100);
    of.inputs[1].assign(of.inputs[1].size(), static_cast<double>(ignored));
    check_forms(of, kTiers);
  }
}

/// Windows that reach into an end padding unlike the one in front, and beyond it.
TEST(LayerLoops, AveragesThatCountAnUnevenPaddingAgreeWithFp64) {
  const Shape x{2, 5, 9, 8};
  for (const Shape& pads : {Shape{0, 1, 2, 2}, Shape{2, 1, 0, 0}}) {
    for (const std::int64_t ceil : {0, 1}) {
      Attributes pool{{"kernel_shape", Shape{3, 3}},
                      {"strides", Shape{2, 2}},
                      {"pads", pads},
                      {"ceil_mode", ceil},
                      {"count_include_pad", std::int64_t{1}}};
      const OpCase of = large_case("AveragePool", pool, {x}, {}, -2);
      check_forms(of, kTiers);
      pool.set("input_shape", x);
      check_forms(large_case("AveragePoolGrad", pool, {of.call.outputs[0].shape}, {}, -2), kTiers);
    }
  }
}

/// A case with its step state changed.
template <class F>
OpCase with_state(OpCase of, std::size_t input, const F& change) {
  auto state = reference::record_of<StepState>(of.inputs[input]);
  change(state);
  of.inputs[input] = reference::numbers_of(state);
  return of;
}

TEST(LayerLoops, ASkippedStepUpdatesNothingAndAFirstStepFillsTheMomentum) {
  for (const OpCase& of : reference::all_cases()) {
    const std::string& op = of.call.op;
    if (op != "Sgd" && op != "Adam" && op != "RunningStatistics") continue;
    const std::size_t input = op == "RunningStatistics" ? 4 : 2;
    check_forms(with_state(of, input, [](StepState& state) { state.overflow = 1; }), kTiers);
    check_forms(with_state(of, input, [](StepState& state) { state.accepted = 1; }), kTiers);
  }
}

TEST(LayerLoops, TheStepControlFollowsOverflowsAsTheReferenceDoes) {
  for (const OpCase& of : reference::all_cases()) {
    if (of.call.op != "StepControl") continue;
    check_forms(with_state(of, 0, [](StepState& state) { state.good = 1999; }), kTiers);
    check_forms(with_state(of, 0, [](StepState& state) { state.loss_scale = 3; }), kTiers);
    for (const std::size_t bad : {std::size_t{2}, of.inputs.size() - 1}) {
      OpCase overflow = of;
      overflow.inputs[bad] =
          bad == 2 ? Numbers{std::numeric_limits<double>::infinity()} : Numbers{1, 2};
      check_forms(overflow, kTiers);
      check_forms(with_state(overflow, 0, [](StepState& state) { state.hysteresis = 2; }), kTiers);
      check_forms(with_state(overflow, 0, [](StepState& state) { state.dynamic = 0; }), kTiers);
    }
  }
}

}  // namespace
}  // namespace mpsearch
