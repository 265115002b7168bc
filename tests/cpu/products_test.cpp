// Conv, ConvGradInput, ConvGradWeight, ConvTranspose and MatMul: every algorithm that is offered,
// in every tier and layout, against the FP64 definitions.
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "tests/cpu/call.h"
#include "tests/support/reference.h"
#include "tests/support/storage.h"
#include "tests/support/tolerance.h"

namespace mpsearch {
namespace {

using reference::Numbers;

/// Storage of a product's first and second operand and of its result; scales go with FP8.
struct Tier {
  DType first, second, result;
  bool exact_scale = false;  // no power of two
};

struct Problem {
  std::string name;
  std::string op;
  Attributes attributes;
  Shape first, second, result;
  Shape bias = {};
  bool biased = false;
};

std::int64_t last(const Shape& shape, std::size_t back) { return shape[shape.size() - back]; }

/// How many products one result sums up.
std::int64_t terms_of(const Problem& problem) {
  if (problem.op == "MatMul") {
    return last(problem.first, problem.attributes.integer("transA", 0) != 0 ? 2 : 1);
  }
  if (problem.op == "ConvGradWeight") {
    return elements_of(problem.second) / problem.second[1];
  }
  return elements_of(problem.second);  // the weights: more than enough
}

Numbers random_numbers(const Shape& shape, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> draw(-2, 2);
  Numbers numbers(static_cast<std::size_t>(elements_of(shape)));
  for (double& number : numbers) number = draw(random);
  return numbers;
}

struct Input {
  test::Tensor tensor;
  Numbers holds;  // what was stored, exactly
};

Input input(const Shape& shape, Form form, bool exact_scale, unsigned seed) {
  Input result{test::Tensor({shape, form}), {}};
  const bool scaled = is_fp8(form.dtype);
  if (scaled) {
    result.tensor.scaled = true;
    result.tensor.scale = (exact_scale ? 0.3F : 0.25F) * (form.dtype == DType::F8E4M3 ? 1 : 0.125F);
  }
  const double scale = scaled ? result.tensor.scale : 1;
  result.tensor.bytes = reference::stored(random_numbers(shape, seed), result.tensor.type, scale);
  result.holds = reference::loaded(result.tensor.bytes.data(), result.tensor.type, scale);
  return result;
}

/// The FP64 result, and the sum of the magnitudes of what was summed.
struct Expected {
  Numbers value, magnitude;
};

Expected expected_of(const KernelCall& call, std::vector<Numbers> inputs) {
  Expected expected;
  expected.value = reference::evaluate(call, inputs).at(0);
  KernelCall positive = call;
  for (Numbers& numbers : inputs) {
    for (double& number : numbers) number = std::fabs(number);
  }
  for (const char* factor : {"alpha", "beta"}) {
    if (call.attributes.has(factor)) {
      positive.attributes.set(factor, std::fabs(call.attributes.number(factor, 1)));
    }
  }
  expected.magnitude = reference::evaluate(positive, inputs).at(0);
  return expected;
}

void expect_near(const test::Tensor& result, const Expected& expected, std::int64_t terms) {
  const DType dtype = result.type.form.dtype;
  const Numbers got = reference::loaded(result.bytes.data(), result.type);
  ASSERT_EQ(got.size(), expected.value.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double allowed =
        reference::tolerance(expected.value[i], dtype, expected.magnitude[i], terms);
    ASSERT_LE(std::fabs(got[i] - expected.value[i]), allowed)
        << "element " << i << ": " << got[i] << ", FP64 " << expected.value[i];
  }
}

/// Runs every candidate with each number of threads.
void check(const Problem& problem, const Tier& tier, Layout first_layout, Layout second_layout,
           Layout result_layout, const std::vector<int>& numbers_of_threads) {
  Input first = input(problem.first, {tier.first, first_layout}, tier.exact_scale, 1);
  Input second = input(problem.second, {tier.second, second_layout}, tier.exact_scale, 2);
  Input bias = input(problem.bias, {}, false, 3);
  const TensorType result{problem.result, {tier.result, result_layout}};
  KernelCall call{
      problem.op, problem.attributes, {first.tensor.type, second.tensor.type}, {result}};
  std::vector<Numbers> numbers{first.holds, second.holds};
  std::vector<test::Tensor*> inputs{&first.tensor, &second.tensor};
  if (problem.biased) {
    call.inputs.push_back(bias.tensor.type);
    numbers.push_back(bias.holds);
    inputs.push_back(&bias.tensor);
  }
  const Expected expected = expected_of(call, numbers);
  for (const int threads : numbers_of_threads) {
    const std::unique_ptr<Backend> backend = make_backend("cpu", threads);
    const std::vector<KernelChoice> choices = backend->candidates(call);
    EXPECT_FALSE(choices.empty()) << problem.name << ' ' << key_of(call);
    for (const KernelChoice& choice : choices) {
      SCOPED_TRACE(problem.name + ' ' + key_of(call) + ' ' + choice.algorithm + ", " +
                   std::to_string(threads) + " threads");
      if (tier.exact_scale && choice.algorithm.find("bf16") != std::string::npos) continue;
      test::Tensor once(result), again(result);
      test::run_call(*backend, call, choice, inputs, {&once});
      expect_near(once, expected, terms_of(problem));
      test::run_call(*backend, call, choice, inputs, {&again});
      EXPECT_EQ(once.bytes, again.bytes) << "two runs differ";
    }
  }
}

using enum DType;

struct Window {
  std::string name;
  Shape x, w, strides, pads, dilations;
  std::int64_t group = 1;
};

std::vector<Window> windows() {
  return {
      {"k3", {3, 5, 7, 6}, {8, 5, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {"k1", {2, 20, 5, 5}, {18, 20, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"k1s2", {3, 16, 8, 7}, {32, 16, 1, 1}, {2, 2}, {0, 0, 0, 0}, {1, 1}},
      {"first", {2, 3, 12, 12}, {16, 3, 5, 5}, {2, 2}, {2, 2, 2, 2}, {1, 1}},
      {"asymmetric", {2, 4, 9, 8}, {6, 4, 3, 2}, {2, 1}, {0, 1, 2, 0}, {1, 1}},
      {"dilated", {2, 3, 11, 10}, {4, 3, 3, 3}, {1, 2}, {2, 3, 1, 0}, {2, 3}},
      {"groups", {2, 8, 6, 6}, {12, 4, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},
      {"wide_groups", {2, 64, 6, 6}, {32, 32, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},
      {"depthwise", {3, 24, 7, 7}, {24, 1, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 24},
      {"multiplied_depthwise", {2, 6, 7, 7}, {12, 1, 3, 3}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 6},
      {"wide", {2, 48, 6, 5}, {40, 48, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}},
      {"skips", {1, 2, 7, 7}, {3, 2, 2, 2}, {3, 3}, {0, 0, 0, 0}, {1, 1}},
      {"one_channel", {4, 1, 10, 10}, {6, 1, 5, 5}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"to_one_pixel", {5, 8, 4, 4}, {10, 8, 4, 4}, {1, 1}, {0, 0, 0, 0}, {1, 1}},
      {"line", {3, 6, 20}, {10, 6, 5}, {2}, {2, 1}, {1}},
      {"dilated_line", {2, 8, 19}, {8, 4, 3}, {1}, {4, 0}, {2}, 2},
      {"volume", {2, 4, 5, 6, 4}, {6, 4, 3, 3, 2}, {1, 2, 1}, {1, 1, 0, 1, 0, 1}, {1, 1, 1}},
  };
}

/// More samples than fit in a slice, and not a multiple of it.
Window sliced() {
  return {"sliced", {13, 24, 48, 48}, {4, 24, 1, 2}, {1, 1}, {0, 1, 0, 0}, {1, 1}};
}

/// The calls of a convolution; with a bias where the batch has more than one sample.
std::vector<Problem> problems_of(const Window& window) {
  Shape y{window.x[0], window.w[0]};
  const std::size_t spatial = window.x.size() - 2;
  for (std::size_t d = 0; d < spatial; ++d) {
    const std::int64_t extent = window.dilations[d] * (window.w[d + 2] - 1) + 1;
    const std::int64_t padded = window.x[d + 2] + window.pads[d] + window.pads[d + spatial];
    y.push_back((padded - extent) / window.strides[d] + 1);
  }
  Attributes attributes{{"strides", window.strides},
                        {"pads", window.pads},
                        {"dilations", window.dilations},
                        {"group", window.group}};
  Attributes of_input = attributes, of_weight = attributes;
  of_input.set("input_shape", window.x);
  of_weight.set("weight_shape", window.w);
  const bool biased = window.x[0] > 1;
  return {{window.name, "Conv", attributes, window.x, window.w, y, {window.w[0]}, biased},
          {window.name, "ConvGradInput", of_input, y, window.w, window.x},
          {window.name, "ConvGradWeight", of_weight, window.x, y, window.w},
          {window.name, "ConvTranspose", attributes, y, window.w, window.x, {window.x[1]}, biased}};
}

/// The storage that each tier gives the operands of a call, and some mixtures.
std::vector<Tier> tiers_of(const std::string& op) {
  if (op == "ConvGradWeight") {
    return {{F32, F32, F32},       {BF16, BF16, F32}, {F16, F16, F32},
            {F8E4M3, F8E5M2, F32}, {F32, BF16, F32},  {F8E4M3, F8E5M2, F32, true}};
  }
  const DType first = op == "ConvGradInput" ? F8E5M2 : F8E4M3;
  return {{F32, F32, F32},
          {BF16, BF16, BF16},
          {F16, F16, F16},
          {first, F8E4M3, BF16},
          {BF16, BF16, F32},
          {F32, BF16, F16},
          {first, F8E4M3, F16, true},
          {BF16, F8E4M3, F32}};
}

/// Of a call's first, second and resulting tensor: that of the images, or the weights' own.
Layout layout_of(const std::string& op, int place, Layout images) {
  const int weights = op == "ConvGradWeight" ? 2 : 1;
  return place == weights ? Layout::RowMajor : images;
}

void check_images(const Problem& problem, const Tier& tier, Layout images,
                  const std::vector<int>& threads) {
  const std::string& op = problem.op;
  check(problem, tier, layout_of(op, 0, images), layout_of(op, 1, images), layout_of(op, 2, images),
        threads);
}

TEST(Convolution, EveryTierEqualsTheDefinition) {
  for (const Window& window : windows()) {
    for (const Problem& problem : problems_of(window)) {
      for (const Tier& tier : tiers_of(problem.op)) {
        check_images(problem, tier, Layout::ChannelsLast, {1});
        if (HasFailure()) return;
      }
    }
  }
}

TEST(Convolution, LayoutsAndThreadsChangeNothing) {
  std::vector<Window> some = windows();
  some.resize(9);
  for (const Window& window : some) {
    for (const Problem& problem : problems_of(window)) {
      check_images(problem, tiers_of(problem.op)[3], Layout::RowMajor, {2});
      if (HasFailure()) return;
    }
  }
}

TEST(Convolution, LayoutsMayDiffer) {
  for (const Problem& problem : problems_of(windows().front())) {
    check(problem, tiers_of(problem.op)[1], Layout::RowMajor,
          layout_of(problem.op, 1, Layout::ChannelsLast),
          layout_of(problem.op, 2, Layout::ChannelsLast), {2});
  }
}

/// The library takes the two layouts of such images for one: its plans must not depend on which of
/// them it met first.
TEST(Convolution, ImagesWhoseLayoutsCoincideHaveTheSameKernelsWhateverRanBefore) {
  const Window point{"point", {8, 64, 1}, {128, 64, 3}, {1}, {1, 1}, {1}};
  const Window pixel{"pixel", {8, 32, 1, 1}, {48, 32, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}};
  const Window channel{"channel", {4, 1, 40}, {1, 1, 3}, {1}, {1, 1}, {1}};
  for (const Window& window : {point, pixel, channel}) {
    for (const Problem& problem : problems_of(window)) {
      const Tier tier = tiers_of(problem.op)[0];
      check_images(problem, tier, Layout::RowMajor, {1, 2});
      if (window.x.size() == 4) check_images(problem, tier, Layout::ChannelsLast, {2});
    }
  }
}

TEST(Convolution, SlicesOfTheBatchAddUp) {
  for (const Problem& problem : problems_of(sliced())) {
    const std::vector<Tier> tiers = tiers_of(problem.op);
    check_images(problem, tiers[2], Layout::ChannelsLast, {1, 2});
    check_images(problem, tiers[3], Layout::ChannelsLast, {1});
    check_images(problem, tiers[3], Layout::RowMajor, {1});
  }
}

TEST(Convolution, EveryTierHasItsKernels) {
  const Problem problem = problems_of(windows().front())[0];
  const auto names = [&](const Tier& tier) {
    const KernelCall call{
        problem.op,
        problem.attributes,
        {{problem.first, {tier.first, Layout::ChannelsLast}}, {problem.second, {tier.second}}},
        {{problem.result, {tier.result, Layout::ChannelsLast}}}};
    std::vector<std::string> result;
    for (const KernelChoice& choice : make_backend("cpu", 1)->candidates(call)) {
      result.push_back(choice.algorithm);
    }
    return result;
  };
  EXPECT_EQ(names({F32, F32, F32}), std::vector<std::string>{"onednn.native"});
  EXPECT_EQ(names({F16, F16, F16}), std::vector<std::string>{"onednn.decoded"});
  EXPECT_EQ(names({BF16, BF16, BF16}).back(), "onednn.decoded");
  EXPECT_EQ(names({F8E4M3, F8E4M3, BF16}).back(), "onednn.decoded");
  EXPECT_TRUE(names({F32, F32, F8E4M3}).empty());
}

std::vector<Problem> matrix_problems() {
  const Attributes ta{{"transA", std::int64_t{1}}}, tb{{"transB", std::int64_t{1}}};
  const Attributes tt{{"transA", std::int64_t{1}}, {"transB", std::int64_t{1}}};
  const Attributes scaled{{"alpha", 0.5}, {"beta", -2.0}, {"transB", std::int64_t{1}}};
  const Attributes no_bias{{"beta", 0.0}};
  return {
      {"plain", "MatMul", {}, {5, 7}, {7, 9}, {5, 9}},
      {"bias", "MatMul", tb, {33, 70}, {40, 70}, {33, 40}, {40}, true},
      {"transposed_a", "MatMul", ta, {70, 33}, {70, 40}, {33, 40}},
      {"both", "MatMul", tt, {12, 5}, {6, 12}, {5, 6}},
      {"full_bias", "MatMul", {}, {5, 7}, {7, 9}, {5, 9}, {5, 9}, true},
      {"column_bias", "MatMul", {}, {5, 7}, {7, 9}, {5, 9}, {5, 1}, true},
      {"row_bias", "MatMul", {}, {5, 7}, {7, 9}, {5, 9}, {1, 9}, true},
      {"scalar_bias", "MatMul", {}, {5, 7}, {7, 9}, {5, 9}, {}, true},
      {"one_bias", "MatMul", {}, {5, 7}, {7, 1}, {5, 1}, {1}, true},
      {"scaled", "MatMul", scaled, {5, 7}, {9, 7}, {5, 9}, {9}, true},
      {"alpha", "MatMul", {{"alpha", -0.125}}, {5, 7}, {7, 9}, {5, 9}},
      {"beta_0", "MatMul", no_bias, {5, 7}, {7, 9}, {5, 9}, {9}, true},
      {"batch", "MatMul", {}, {3, 4, 6, 8}, {3, 4, 8, 5}, {3, 4, 6, 5}},
      {"batch_tb", "MatMul", tb, {3, 6, 8}, {3, 5, 8}, {3, 6, 5}},
      {"batch_ta", "MatMul", ta, {3, 8, 6}, {3, 8, 5}, {3, 6, 5}},
      {"one_b", "MatMul", {}, {3, 4, 6, 8}, {8, 5}, {3, 4, 6, 5}, {5}, true},
      {"one_b_bias", "MatMul", {}, {3, 6, 8}, {1, 8, 5}, {3, 6, 5}, {6, 1}, true},
      {"one_b_ta", "MatMul", ta, {3, 8, 6}, {8, 5}, {3, 6, 5}},
      {"one_a", "MatMul", {}, {6, 8}, {3, 8, 5}, {3, 6, 5}, {3, 1, 5}, true},
      {"broadcast", "MatMul", {}, {3, 1, 6, 8}, {4, 8, 5}, {3, 4, 6, 5}, {4, 1, 1}, true},
      {"both_broadcast", "MatMul", {}, {1, 4, 6, 8}, {3, 1, 8, 5}, {3, 4, 6, 5}},
      {"vector", "MatMul", {}, {1, 64}, {64, 10}, {1, 10}, {10}, true},
  };
}

/// More rows, inner terms or matrices than fit in a slice.
std::vector<Problem> sliced_matrix_problems() {
  const Attributes ta{{"transA", std::int64_t{1}}};
  return {
      {"sliced_rows", "MatMul", {}, {3001, 96}, {96, 48}, {3001, 48}, {3001, 1}, true},
      {"sliced_inner", "MatMul", ta, {3001, 48}, {3001, 40}, {48, 40}, {40}, true},
      {"sliced_batch", "MatMul", {}, {71, 40, 40}, {71, 40, 48}, {71, 40, 48}, {48}, true},
  };
}

TEST(MatMul, SlicesAddUp) {
  for (const Problem& problem : sliced_matrix_problems()) {
    const std::vector<Tier> tiers = tiers_of(problem.op);
    for (const Tier& tier : {tiers[2], tiers[3]}) {
      check(problem, tier, Layout::RowMajor, Layout::RowMajor, Layout::RowMajor, {1, 2});
    }
  }
}

TEST(MatMul, EveryTierEqualsTheDefinition) {
  for (const Problem& problem : matrix_problems()) {
    for (const Tier& tier : tiers_of(problem.op)) {
      check(problem, tier, Layout::RowMajor, Layout::RowMajor, Layout::RowMajor,
            {tier.first == BF16 ? 2 : 1});
      if (HasFailure()) return;
    }
    check(problem, {F8E4M3, F8E5M2, F32}, Layout::RowMajor, Layout::RowMajor, Layout::RowMajor,
          {1});
  }
}

}  // namespace
}  // namespace mpsearch
