// The loops of elements, broadcasting, sums and permutations: every sample of the registry in every
// tier and layout, in mixed dtypes and at sizes that many threads share, against FP64.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include <gtest/gtest.h>

#include "kernels/math/binary.h"
#include "kernels/math/unary.h"
#include "kernels/step_state.h"
#include "tests/cpu/loop_case.h"
#include "tests/support/tolerance.h"

namespace mpsearch {
namespace {

using reference::Numbers;
using reference::OpCase;
using test::backend_of;
using test::bytes_of_level;
using test::outputs_of;
using test::tensor_of;

const std::set<std::string> kOps = [] {
  std::set<std::string> ops{"Scale",
                            "Sum2",
                            "SumTo",
                            "BroadcastTo",
                            "ReduceMean",
                            "Resize",
                            "ResizeGrad",
                            "ReduceL2",
                            "ReduceL2Grad",
                            "ReduceLogSumExp",
                            "ReduceLogSumExpGrad",
                            "ReduceMax",
                            "ReduceMaxGrad",
                            "ReduceMin",
                            "ReduceProd",
                            "ReduceProdGrad",
                            "ReduceSum",
                            "BiasGrad",
                            "Transpose",
                            "Dropout",
                            "DropoutGrad"};
  BinaryOps::for_each([&]<class F>() { ops.insert(F::kName); });
  for (const OpDef& op : all_ops()) {
    if (op.name.ends_with("GradA") || op.name.ends_with("GradB")) ops.insert(std::string(op.name));
  }
  UnaryOps::for_each([&]<class F>() {
    ops.insert(F::kName);
    if (F::kSaves != Saves::Nothing) ops.insert(std::string(F::kName) + "Grad");
  });
  ops.insert({"Concat", "Slice", "SliceGrad", "Pad", "PadGrad"});
  ops.insert({"Embedding", "Gather", "GatherND", "GatherElements", "GatherGrad", "GatherNDGrad",
              "GatherElementsGrad", "ScatterND", "ScatterElements", "Where", "Keep"});
  return ops;
}();

/// A bound of the op's terms: the largest product of its inputs.
double magnitude_of(const std::vector<Numbers>& inputs, const KernelCall& call) {
  double product = 1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_float(call.inputs[i].form.dtype)) continue;
    double largest = 1;
    for (const double value : inputs[i]) largest = std::max(largest, std::fabs(value));
    product *= largest;
  }
  return product;
}

/// Terms a result: what the op sums over, else one.
std::int64_t terms_of(const KernelCall& call) {
  constexpr std::int64_t kMostHits = 64;  // of one row by the tests' random indices
  if (call.op.starts_with("Gather") && call.op.ends_with("Grad")) return kMostHits;
  if (call.op.starts_with("Scatter")) return kMostHits;
  if (call.op == "PadGrad") {
    const Shape pads = call.attributes.integers("pads");
    std::int64_t copies = 1;
    for (std::size_t dim = 0; dim < pads.size() / 2; ++dim) {
      copies *= 1 + pads[dim] + pads[dim + pads.size() / 2];
    }
    return copies;
  }
  if (call.op == "ResizeGrad") {
    return 16 * (1 + call.inputs[0].elements() / call.outputs[0].elements());
  }
  if (call.op == "ReduceProdGrad") return call.outputs[0].elements() / call.inputs[0].elements();
  const bool sums = call.op == "BiasGrad" || call.op == "SumTo" || call.op.starts_with("Reduce");
  if (!sums) return 1;
  return std::max<std::int64_t>(1, call.inputs[0].elements() / call.outputs[0].elements());
}

/// Runs the call on what its tensors can hold of `numbers`, on one and on two threads.
void check(const std::string& name, const KernelCall& call, const std::vector<Numbers>& numbers) {
  SCOPED_TRACE(name + " " + key_of(call));
  ASSERT_EQ(backend_of(1).candidates(call).size(), 1u);
  std::vector<test::Tensor> inputs;
  std::vector<Numbers> held;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    inputs.push_back(tensor_of(call.inputs[i], numbers[i]));
    held.push_back(
        reference::loaded(inputs[i].bytes.data(), call.inputs[i], double{inputs[i].scale}));
  }
  std::vector<test::Tensor> one = outputs_of(call, inputs, 1), two = outputs_of(call, inputs, 2);
  constexpr std::int64_t kOperations = 16;  // that make a term
  const std::int64_t terms = terms_of(call);
  const double magnitude = magnitude_of(held, call) * static_cast<double>(terms);
  const std::vector<Numbers> expected = reference::evaluate(call, held);
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    EXPECT_EQ(one[i].bytes, two[i].bytes) << "output " << i << " depends on the threads";
    const Numbers got = reference::loaded(one[i].bytes.data(), call.outputs[i]);
    const DType dtype = call.outputs[i].form.dtype;
    for (std::size_t k = 0; k < got.size(); ++k) {
      const double limit = !is_float(dtype) ? 0
                                            : reference::tolerance(expected[i][k], dtype, magnitude,
                                                                   kOperations * terms);
      ASSERT_LE(std::fabs(got[k] - expected[i][k]), limit)
          << "output " << i << " element " << k << ": " << got[k] << ", expected "
          << expected[i][k];
    }
  }
}

void check_layouts(const OpCase& of, Precision precision) {
  for (const Layout layout : {Layout::RowMajor, Layout::ChannelsLast}) {
    const KernelCall call = reference::in_forms(of, precision, layout);
    check(of.name, call, of.inputs);
  }
}

TEST(Loops, EverySampleInEveryTierAndLayoutAgreesWithFp64) {
  std::set<std::string> seen;
  for (const OpCase& of : reference::all_cases()) {
    if (!kOps.contains(of.call.op)) continue;
    seen.insert(of.call.op);
    for (const Precision tier :
         {Precision::FP32, Precision::BF16, Precision::FP16, Precision::FP8}) {
      check_layouts(of, tier);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(seen.size(), kOps.size());
}

/// Every float input of another dtype, FP8 with its scale, and every output dtype.
TEST(Loops, EveryMixOfDtypesAgreesWithFp64) {
  constexpr DType kIn[] = {DType::F32, DType::BF16, DType::F16, DType::F8E4M3, DType::F8E5M2};
  constexpr DType kOut[] = {DType::F32, DType::BF16, DType::F16};
  for (const OpCase& of : reference::all_cases()) {
    if (!kOps.contains(of.call.op)) continue;
    for (std::size_t mix = 0; mix < 15; ++mix) {
      KernelCall call = reference::in_forms(of, Precision::FP32, Layout::ChannelsLast);
      for (std::size_t i = 0; i < call.inputs.size(); ++i) {
        DType& dtype = call.inputs[i].form.dtype;
        if (is_float(dtype)) dtype = kIn[(mix + 2 * i) % 5];
      }
      DType& out = call.outputs[0].form.dtype;
      if (call.op != "BiasGrad" && is_float(out)) out = kOut[mix / 5];
      check(of.name, call, of.inputs);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Loops, EveryInstructionSetLevelGivesTheSameBits) {
  for (const OpCase& of : reference::all_cases()) {
    if (!kOps.contains(of.call.op)) continue;
    for (const Precision tier : {Precision::FP32, Precision::BF16}) {
      const KernelCall call = reference::in_forms(of, tier, Layout::ChannelsLast);
      const std::vector<std::vector<std::byte>> best = bytes_of_level(cpu::best_level(), of, call);
      for (const cpu::CompiledLevel& level : cpu::compiled_levels()) {
        if (!level.supported()) continue;
        EXPECT_EQ(bytes_of_level(level.level(), of, call), best)
            << level.level().name << ' ' << of.name << ' ' << key_of(call);
      }
    }
  }
}

/// A call at a size of several blocks, in both layouts and two tiers.
void check_large(const std::string& op, Attributes attributes, std::vector<Shape> shapes,
                 std::vector<DType> own = {}) {
  const OpCase of = test::large_case(op, std::move(attributes), shapes, own, 0.5);
  for (const Precision tier : {Precision::FP32, Precision::BF16}) check_layouts(of, tier);
}

constexpr std::int64_t kNoKeep = 0;

TEST(Loops, SizesOfManyBlocksAgreeWithFp64) {
  const Shape image{3, 37, 29, 31};
  check_large("Relu", {}, {image});
  check_large("Relu", {}, {{100003}});
  check_large("ReluGrad", {}, {image, image}, {DType::F32, DType::BIT});
  check_large("GeluGrad", {}, {{100003}, {100003}});
  for (const Shape& b : {image, Shape{}, Shape{37, 1, 1}, Shape{1, 37, 1, 1}, Shape{3, 37, 1, 1},
                         Shape{31}, Shape{3, 1, 29, 31}, Shape{29, 1}}) {
    check_large("Add", {}, {image, b});
    check_large("Div", {}, {image, b});
    check_large("SumTo", {{"shape", b}, {"scale", -0.5}}, {image});
    check_large("BroadcastTo", {{"shape", image}, {"scale", -0.5}}, {b});
  }
  check_large("Sub", {}, {{1, 70000}, {3, 1}});
  check_large("DropoutGrad", {{"ratio", 0.25}}, {image, image}, {DType::F32, DType::BIT});
  check_large("Dropout", {{"ratio", 0.3}, {"stream", std::int64_t{5}}},
              {image, {sizeof(StepInputs)}}, {DType::F32, DType::U8});
}

TEST(Loops, SumsOfManyBlocksAgreeWithFp64) {
  const Shape image{3, 37, 29, 31};
  check_large("BiasGrad", {{"axis", std::int64_t{1}}}, {image});
  check_large("BiasGrad", {{"axis", std::int64_t{1}}}, {{40000, 3}});
  check_large("BiasGrad", {{"axis", std::int64_t{1}}}, {{70, 2000}});
  check_large("BiasGrad", {{"axis", std::int64_t{2}}}, {{9, 100, 130}});
  for (const Shape& axes : {Shape{0}, Shape{1}, Shape{2}, Shape{3}, Shape{0, 1, 2, 3}, Shape{2, 3},
                            Shape{0, 2}, Shape{1, 3}, Shape{1, 2, 3}, Shape{}}) {
    check_large("ReduceMean", {{"axes", axes}, {"keepdims", kNoKeep}}, {image});
    check_large("ReduceSum", {{"axes", axes}}, {image});
    for (const std::string name : {"ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMin"}) {
      check_large(name, {{"axes", axes}, {"keepdims", kNoKeep}}, {image});
      check_large(name, {{"axes", axes}}, {image});
    }
    Shape kept = image;
    for (const std::int64_t axis : axes) kept[static_cast<std::size_t>(axis)] = 1;
    check_large("ReduceMaxGrad", {{"axes", axes}, {"input_shape", image}}, {kept, kept},
                {DType::F32, DType::I32});
  }
  check_large("ReduceSum", {{"axes", Shape{0}}}, {{150001}});
  check_large("ReduceSum", {{"axes", Shape{1}}}, {{3, 50001}});
  check_large("ReduceSum", {{"axes", Shape{1}}}, {{50001, 3}});
}

TEST(Loops, ImagesOfManyBlocksAreResizedLikeInFp64) {
  const Shape small{3, 37, 14, 15}, large{3, 37, 28, 31};
  for (const std::string mode : {"nearest", "linear", "cubic"}) {
    check_large("Resize", {{"mode", mode}, {"shape", large}}, {small});
    check_large("Resize", {{"mode", mode}, {"shape", small}}, {large});
    check_large("ResizeGrad", {{"mode", mode}, {"shape", large}, {"input_shape", small}}, {large});
  }
}

TEST(Loops, PermutationsOfManyBlocksMoveEveryElement) {
  check_large("Transpose", {{"perm", Shape{1, 0}}}, {{301, 517}});
  check_large("Transpose", {{"perm", Shape{1, 0}}}, {{3, 50000}});
  Shape perm{0, 1, 2, 3};
  do {
    check_large("Transpose", {{"perm", perm}}, {{3, 17, 40, 33}});
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(Loops, MovesOfManyBlocksReachEveryElement) {
  check_large("Slice",
              {{"starts", Shape{0, 5, 1, 30}},
               {"steps", Shape{1, 1, 2, -3}},
               {"shape", Shape{2, 12, 14, 10}}},
              {{2, 17, 29, 31}});
  check_large("Slice", {{"starts", Shape{7}}, {"steps", Shape{1}}, {"shape", Shape{40001}}},
              {{50003}});
  check_large("SliceGrad",
              {{"starts", Shape{0, 5, 1, 30}},
               {"steps", Shape{1, 1, 2, -3}},
               {"input_shape", Shape{2, 17, 29, 31}}},
              {{2, 12, 14, 10}});
  check_large("SliceGrad",
              {{"starts", Shape{49999}}, {"steps", Shape{-3}}, {"input_shape", Shape{50003}}},
              {{15001}});
  for (const std::string mode : {"constant", "reflect", "edge", "wrap"}) {
    const Attributes pads{{"pads", Shape{0, 0, 3, 5, 0, 2, 4, 0}}, {"mode", mode}};
    check_large("Pad", pads, {{2, 17, 29, 31}});
    Attributes back = pads;
    back.set("input_shape", Shape{2, 17, 29, 31});
    check_large("PadGrad", back, {{2, 19, 36, 36}});
  }
  for (const std::int64_t axis : {0, 1, 2, 3}) {
    Shape a{2, 17, 29, 31}, b = a, c = a;
    b[static_cast<std::size_t>(axis)] = 1;
    c[static_cast<std::size_t>(axis)] = 70;
    check_large("Concat", {{"axis", axis}}, {a, b, c});
  }
}

/// What gives integers or truth values: exact.
TEST(Loops, IntegersAndTruthValuesAreExactInEveryTierAndLayout) {
  const std::set<std::string> ops{"Equal",
                                  "Less",
                                  "LessOrEqual",
                                  "Greater",
                                  "GreaterOrEqual",
                                  "And",
                                  "Or",
                                  "Xor",
                                  "IsNaN",
                                  "IsInf",
                                  "CastTo",
                                  "OneHot",
                                  "ArgMax",
                                  "ArgMin",
                                  "IntegerAdd",
                                  "IntegerSub",
                                  "IntegerMul",
                                  "IntegerDiv",
                                  "IntegerMod",
                                  "BitwiseAnd",
                                  "IntegerRemainder",
                                  "IntegerMin",
                                  "IntegerMax",
                                  "BitwiseOr",
                                  "BitwiseXor"};
  std::set<std::string> seen;
  for (const OpCase& of : reference::all_cases()) {
    if (!ops.contains(of.call.op)) continue;
    seen.insert(of.call.op);
    for (const Precision tier : {Precision::FP32, Precision::BF16, Precision::FP16}) {
      check_layouts(of, tier);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(seen.size(), ops.size());
}

/// An index outside reads and writes nothing, and the result says so.
TEST(Loops, IndicesOutsideGiveNaN) {
  const TensorType x{{4, 3}, {}}, index{{2}, {DType::I64}};
  const TensorType rows{{2, 3}, {}};
  const auto run = [](const KernelCall& call, const std::vector<Numbers>& numbers) {
    std::vector<test::Tensor> inputs;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      inputs.push_back(tensor_of(call.inputs[i], numbers[i]));
    }
    const test::Tensor y = outputs_of(call, inputs, 2).at(0);
    return reference::loaded(y.bytes.data(), y.type);
  };
  const Numbers table(12, 1), bad{1, 4};
  const Numbers y = run({"Gather", {{"axis", std::int64_t{0}}}, {x, index}, {rows}}, {table, bad});
  EXPECT_EQ(y[0], 1);
  EXPECT_TRUE(std::isnan(y[3]) && std::isnan(y[5]));
  const Numbers dx =
      run({"GatherGrad", {{"axis", std::int64_t{0}}, {"input_shape", x.shape}}, {rows, index}, {x}},
          {Numbers(6, 1), bad});
  EXPECT_TRUE(std::isnan(dx[0]));
  EXPECT_EQ(dx[3], 1);
}

/// Integers and truth values move as they are.
TEST(Loops, MovesOfIntegersKeepEveryBit) {
  const auto check_moved = [](const std::string& op, const Attributes& attributes, Shape from) {
    for (const DType dtype : {DType::I64, DType::I32, DType::BOOL}) {
      const TensorType x{from, {dtype}};
      const KernelCall call{op, attributes, {x}, find_op(op)->infer(attributes, std::vector{x})};
      Numbers numbers;
      for (std::int64_t i = 0; i < x.elements(); ++i) {
        numbers.push_back(dtype == DType::BOOL ? i % 3 == 0 : static_cast<double>(i) - 1e9);
      }
      check(op, call, {numbers});
    }
  };
  check_moved("Slice", {{"starts", Shape{0, 2}}, {"steps", Shape{1, -1}}, {"shape", Shape{5, 2}}},
              {5, 7});
  check_moved("Pad", {{"pads", Shape{1, 0, 0, 3}}, {"value", 1.0}}, {5, 7});
  check_moved("BroadcastTo", {{"shape", Shape{4, 5, 7}}}, {5, 1});
  check_moved("Concat", {{"axis", std::int64_t{1}}}, {5, 7});
  check_moved("Transpose", {{"perm", Shape{1, 0}}}, {5, 7});
}

TEST(Loops, GathersOfManyBlocksAgreeWithFp64) {
  const auto i64 = std::vector<DType>{DType::F32, DType::I64};
  const Attributes rows{{"axis", std::int64_t{0}}};
  check_large("Embedding", rows, {{300, 70}, {40, 20}}, i64);
  check_large("GatherGrad", {{"axis", std::int64_t{0}}, {"input_shape", Shape{300, 70}}},
              {{40, 20, 70}, {40, 20}}, i64);
  check_large("GatherGrad", {{"axis", std::int64_t{1}}, {"input_shape", Shape{30, 9, 80}}},
              {{30, 50, 80}, {50}}, i64);
  check_large("GatherElements", rows, {{500, 60}, {400, 60}}, i64);
  check_large("GatherElementsGrad", {{"axis", std::int64_t{0}}, {"input_shape", Shape{50, 600}}},
              {{70, 600}, {70, 600}}, i64);
  check_large("ScatterND", {{"reduction", std::string("add")}}, {{300, 70}, {900, 1}, {900, 70}},
              i64);
  for (const std::string reduction : {"mul", "max"}) {
    check_large("ScatterNDGrad", {{"reduction", reduction}},
                {{300, 700}, {300, 700}, {90, 1}, {90, 700}}, {DType::F32, DType::F32, DType::I64});
  }
}

TEST(Loops, DropoutDrawsAnewForEveryAttempt) {
  const TensorType x{{4000}, {}}, record{{sizeof(StepInputs)}, {DType::U8}};
  const KernelCall call{"Dropout", {{"ratio", 0.5}}, {x, record}, {x, {x.shape, {DType::BIT}}}};
  std::vector<test::Tensor> inputs{tensor_of(x, Numbers(4000, 1)), test::Tensor(record)};
  std::set<std::vector<std::byte>> masks;
  for (const std::uint64_t attempt : {1, 2, 3}) {
    const StepInputs step{.seed = 9, .attempt = attempt};
    std::memcpy(inputs[1].bytes.data(), &step, sizeof step);
    masks.insert(outputs_of(call, inputs, 1)[1].bytes);
  }
  EXPECT_EQ(masks.size(), 3u);
}

TEST(Loops, WrongCallsHaveNoCandidates) {
  const TensorType x{{2, 3, 4, 5}, {}}, other{{2, 3, 4, 6}, {}};
  TensorType last = x, bits = x, integers = x;
  last.form.layout = Layout::ChannelsLast;
  bits.form.dtype = DType::BIT;
  integers.form.dtype = DType::I64;
  const auto none = [](const KernelCall& call) { return backend_of(1).candidates(call).empty(); };
  EXPECT_TRUE(none({"Relu", {}, {x}, {other}}));
  EXPECT_TRUE(none({"Relu", {}, {x}, {last}}));
  EXPECT_TRUE(none({"Relu", {}, {integers}, {x}}));
  EXPECT_TRUE(none({"Relu", {}, {x}, {x, x}}));
  EXPECT_TRUE(none({"ReluGrad", {}, {x, x}, {x}}));
  EXPECT_TRUE(none({"Add", {}, {x, other}, {x}}));
  EXPECT_TRUE(none({"Add", {}, {x, {{5}, {}}}, {{{2, 2, 3, 4, 5}, {}}}}));
  EXPECT_TRUE(none({"Add", {}, {x, x}, {{x.shape, {DType::F8E4M3}}}}));
  EXPECT_TRUE(none({"SumTo", {{"shape", Shape{4}}}, {x}, {{{4}, {}}}}));
  EXPECT_TRUE(none({"ReduceSum", {{"axes", Shape{1}}}, {x}, {{{2, 4, 5}, {}}}}));
  EXPECT_TRUE(none({"Transpose", {{"perm", Shape{0, 1, 2, 2}}}, {x}, {x}}));
  EXPECT_TRUE(none({"BiasGrad", {{"axis", std::int64_t{1}}}, {x}, {{{3}, {DType::BF16}}}}));
  EXPECT_TRUE(none({"DropoutGrad", {}, {x, x}, {x}}));
}

}  // namespace
}  // namespace mpsearch
