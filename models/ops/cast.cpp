#include "models/ops/families.h"
#include "models/ops/rules.h"

namespace mpsearch {
namespace {

/// Lowering gives the output its form afterwards.
Types infer_cast(const Attributes&, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  return {inputs[0]};
}

/// Lowering may change the FP8 format afterwards.
Types infer_quantize(const Attributes& attributes, TypeSpan inputs) {
  expect_count(inputs, 1, 1);
  const std::string recipe = attributes.text("recipe", "pow2");
  require(recipe == "pow2" || recipe == "exact", ErrorKind::BadContent,
          "the recipe of a Quantize is '" + recipe + "', expected 'pow2' or 'exact'");
  return {typed(DType::F8E4M3, inputs[0].shape), f32({})};
}

std::vector<OpSample> samples(const Attributes& attributes) {
  return {{"image", attributes, {f32({2, 5, 4, 6})}},
          {"image_wide", attributes, {f32({3, 40, 9, 8})}},
          {"matrix", attributes, {f32({33, 67})}},
          {"scalar", attributes, {f32({})}}};
}

std::vector<OpSample> quantize_samples() {
  std::vector<OpSample> list;
  for (const char* recipe : {"pow2", "exact"}) {
    for (OpSample& sample : samples({{"recipe", std::string(recipe)}})) {
      sample.name += std::string("_") + recipe;
      list.push_back(std::move(sample));
    }
  }
  return list;
}

}  // namespace

std::vector<OpDef> cast_ops() {
  using enum Role;
  return {
      {.name = "Cast",
       .inputs = {Own},
       .outputs = {Own},
       .infer = infer_cast,
       .flops = no_flops,
       .samples = [] { return samples({}); }},
      {.name = "Quantize",
       .inputs = {Own},
       .outputs = {Own, F32},
       .infer = infer_quantize,
       .flops = per_input<3>,
       .samples = quantize_samples},
  };
}

}  // namespace mpsearch
