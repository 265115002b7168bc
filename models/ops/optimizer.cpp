#include "kernels/step_state.h"
#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

TensorType state_type() { return typed(DType::U8, {sizeof(StepState)}); }

Types infer_statistics(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {typed(DType::F64, {2})};
}

Types infer_control(const Attributes&, TypeSpan inputs) {
  require(inputs.size() >= 3, ErrorKind::BadContent,
          "StepControl has " + std::to_string(inputs.size()) + " inputs, expected 3 or more");
  expect_record("the step state", inputs[0], sizeof(StepState));
  expect_record("the step inputs", inputs[1], sizeof(StepInputs));
  expect_shape("the loss", inputs[2].shape, {});
  for (std::size_t i = 3; i < inputs.size(); ++i) {
    expect_dtype("a gradient's statistics", inputs[i], DType::F64);
    expect_shape("a gradient's statistics", inputs[i].shape, {2});
  }
  return {};
}

/// master, dw, step state, then buffers of the master's shape.
void expect_update(TypeSpan inputs) {
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (i != 2) expect_shape("input " + std::to_string(i), inputs[i].shape, inputs[0].shape);
  }
  expect_record("the step state", inputs[2], sizeof(StepState));
}

Types infer_sgd(const Attributes& attributes, TypeSpan inputs) {
  const bool buffer = attributes.number("momentum", 0) != 0;
  expect_count(inputs, buffer ? 4 : 3, buffer ? 4 : 3);
  expect_update(inputs);
  return {};
}

Types infer_adam(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 5, 5);
  expect_update(inputs);
  return {};
}

/// sum, x, step inputs.
Types infer_accumulate(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 3, 3);
  expect_shape("the sum", inputs[0].shape, inputs[1].shape);
  expect_record("the step inputs", inputs[2], sizeof(StepInputs));
  return {};
}

std::vector<OpSample> accumulate_samples() {
  std::vector<OpSample> list;
  // The samples' step inputs say attempt 7: the first of seven, the second of three.
  for (const std::int64_t every : {7, 3}) {
    list.push_back({"every" + std::to_string(every),
                    {{"every", every}, {"keep", 0.5}, {"factor", 0.25}},
                    {f32({7, 19}), f32({7, 19}), typed(DType::U8, {sizeof(StepInputs)})}});
  }
  return list;
}

std::vector<OpSample> control_samples() {
  std::vector<OpSample> list;
  const auto add = [&](std::string name, std::size_t gradients, Attributes attributes) {
    Types inputs{state_type(), typed(DType::U8, {sizeof(StepInputs)}), f32({})};
    inputs.insert(inputs.end(), gradients, typed(DType::F64, {2}));
    list.push_back({std::move(name), std::move(attributes), std::move(inputs)});
  };
  const auto scaler = [](double clip) {
    return Attributes{{"growth_interval", 2000.0},
                      {"floor", 0.0},
                      {"cap", 0.0},
                      {"hysteresis", std::int64_t{1}},
                      {"clip", clip}};
  };
  add("plain", 3, scaler(0));
  add("clipped", 2, scaler(0.5));
  return list;
}

std::vector<OpSample> update_samples(std::size_t buffers, std::vector<OpSample> variants) {
  for (OpSample& variant : variants) {
    variant.inputs = {f32({7, 19}), f32({7, 19}), state_type()};
    variant.inputs.insert(variant.inputs.end(), buffers, f32({7, 19}));
  }
  return variants;
}

std::vector<OpSample> sgd_samples() {
  const auto one = std::int64_t{1};
  std::vector<OpSample> all =
      update_samples(0, {{"plain", {}, {}}, {"decay", {{"weight_decay", 0.01}}, {}}});
  const std::vector<OpSample> buffered = update_samples(
      1, {{"momentum", {{"momentum", 0.9}, {"weight_decay", 0.01}}, {}},
          {"dampening", {{"momentum", 0.9}, {"dampening", 0.5}}, {}},
          {"nesterov", {{"momentum", 0.9}, {"nesterov", one}, {"weight_decay", 0.01}}, {}}});
  all.insert(all.end(), buffered.begin(), buffered.end());
  return all;
}

std::vector<OpSample> adam_samples() {
  const auto variant = [](std::string name, double decay, std::int64_t decoupled) {
    return OpSample{std::move(name),
                    {{"beta1", 0.9},
                     {"beta2", 0.999},
                     {"epsilon", 1e-8},
                     {"weight_decay", decay},
                     {"decoupled", decoupled}},
                    {}};
  };
  return update_samples(
      2, {variant("adam", 0, 0), variant("adam_decay", 0.01, 0), variant("adamw", 0.01, 1)});
}

}  // namespace

std::vector<OpDef> optimizer_ops() {
  using enum Role;
  return {
      {.name = "GradientStatistics",
       .inputs = {F32},
       .outputs = {Own},
       .infer = infer_statistics,
       .flops = per_input<2>,
       .samples = []() -> std::vector<OpSample> {
         return {{"matrix", {}, {f32({9, 13})}}, {"wide", {}, {f32({4111})}}};
       },
       .layout = LayoutRule::RowMajor},
      // Sum over the micro-batches of a step: factor x in the first, keep sum + factor x after it.
      {.name = "Accumulate",
       .inputs = {F32, F32, Own},
       .outputs = {},
       .infer = infer_accumulate,
       .flops = per_input<2>,
       .samples = accumulate_samples,
       .layout = LayoutRule::RowMajor,
       .mutates = {0}},
      {.name = "StepControl",
       .inputs = {Own, Own, F32, Own},
       .outputs = {},
       .infer = infer_control,
       .flops = no_flops,
       .samples = control_samples,
       .layout = LayoutRule::RowMajor,
       .mutates = {0}},
      {.name = "Sgd",
       .inputs = {F32, F32, Own, F32},
       .outputs = {},
       .infer = infer_sgd,
       .flops = per_input<6>,
       .samples = sgd_samples,
       .layout = LayoutRule::RowMajor,
       .mutates = {0, 3}},
      {.name = "Adam",
       .inputs = {F32, F32, Own, F32, F32},
       .outputs = {},
       .infer = infer_adam,
       .flops = per_input<14>,
       .samples = adam_samples,
       .layout = LayoutRule::RowMajor,
       .mutates = {0, 3, 4}},
  };
}

}  // namespace mpsearch
