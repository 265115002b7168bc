// Every gradient rule of the registry against central differences in FP64.
#include "models/gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "kernels/error.h"
#include "kernels/math/unary.h"
#include "kernels/step_state.h"
#include "tests/support/op_case.h"
#include "tests/support/reference_graph.h"

namespace mpsearch {
namespace {

using reference::Numbers;
using reference::OpCase;

/// Whether the op is a function of steps, through which no gradient goes.
bool is_step(const OpCase& of) {
  bool step = false;
  UnaryOps::for_each([&]<class F>() {
    if (F::kName == of.call.op) step = F::kSaves == Saves::Nothing && F{}.backward(1, 0) == 0;
  });
  return step;
}

/// Inputs that a gradient reaches: floats, without statistics that are not trained and targets.
std::vector<std::size_t> trained_inputs(const OpCase& of) {
  std::vector<std::size_t> inputs;
  if (is_step(of)) return inputs;
  for (std::size_t i = 0; i < of.inputs.size(); ++i) {
    const bool constant = (of.call.op == "BatchNormInference" && i > 2) || (of.op->loss && i > 0);
    if (is_float(of.call.inputs[i].form.dtype) && !constant) inputs.push_back(i);
  }
  return inputs;
}

double dot(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// f(inputs) = <weights, first output of the op>.
double functional(const OpCase& of, std::vector<Numbers> inputs, const Numbers& weights) {
  return dot(reference::evaluate(of.call, inputs)[0], weights);
}

/// The op as a graph whose inputs `parameters` are trained, and its gradients.
class Differentiated {
 public:
  Differentiated(const OpCase& of, const std::vector<std::size_t>& parameters,
                 const Numbers& weights) {
    std::vector<Numbers> given;
    const auto add = [&](std::string name, TensorType type, ValueKind kind, Numbers numbers) {
      Value value;
      value.name = std::move(name);
      value.type = std::move(type);
      value.kind = kind;
      given.push_back(std::move(numbers));
      return graph_.add_value(std::move(value));
    };
    for (std::size_t i = 0; i < of.inputs.size(); ++i) {
      inputs_.push_back(
          add("input" + std::to_string(i), of.call.inputs[i], ValueKind::Input, of.inputs[i]));
    }
    for (const std::size_t i : parameters) graph_.value(inputs_[i]).kind = ValueKind::Parameter;
    StepState state;
    state.loss_scale = 4;
    const Numbers bytes = reference::numbers_of(state);
    const TensorType record{{static_cast<std::int64_t>(bytes.size())}, {DType::U8, {}}};
    const ValueId step_state = add("step_state", record, ValueKind::State, bytes);
    const ValueId dy = add("dy", of.call.outputs[0], ValueKind::Input, weights);

    const NodeId node = graph_.add_node("op", of.call.op, inputs_, of.call.attributes);
    GradientBuilder builder(graph_, step_state);
    if (!of.op->loss) builder.add(graph_.node(node).outputs[0], dy);
    builder.run();
    graph_.verify();
    for (const ValueId input : inputs_) gradients_.push_back(builder.gradient(input));
    values_ = std::move(given);
    values_.resize(graph_.values.size());
    reference::run(graph_, values_);
  }

  bool has_gradient(std::size_t input) const { return gradients_[input] != kNone; }
  const Numbers& gradient(std::size_t input) const {
    return values_[static_cast<std::size_t>(gradients_[input])];
  }
  const Shape& gradient_shape(std::size_t input) const {
    return graph_.value(gradients_[input]).type.shape;
  }
  const Graph& graph() const { return graph_; }

 private:
  Graph graph_;
  std::vector<ValueId> inputs_, gradients_;
  std::vector<Numbers> values_;
};

/// df/d(direction) by central differences, where `direction` changes input `input` alone.
double slope(const OpCase& of, std::size_t input, const Numbers& direction,
             const Numbers& weights) {
  constexpr double kStep = 1e-5;
  double values[2];
  for (const int side : {0, 1}) {
    std::vector<Numbers> inputs = of.inputs;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      inputs[input][i] += (side == 0 ? -kStep : kStep) * direction[i];
    }
    values[side] = functional(of, std::move(inputs), weights);
  }
  return (values[1] - values[0]) / (2 * kStep);
}

void expect_gradient(const OpCase& of, std::size_t input, const Numbers& gradient,
                     const Numbers& weights, std::mt19937_64& random) {
  const std::size_t count = of.inputs[input].size();
  Numbers direction(count);
  for (double& d : direction) d = (random() & 1) != 0 ? 1 : -1;
  const double whole = slope(of, input, direction, weights);
  const double size = std::sqrt(dot(gradient, gradient));
  EXPECT_NEAR(dot(gradient, direction), whole, 1e-6 * (1 + size)) << of.name << " input " << input;
  const std::size_t singles = std::min<std::size_t>(count, count > 1000 ? 1 : 8);
  for (std::size_t k = 0; k < singles; ++k) {
    const std::size_t i = count <= 8 ? k : random() % count;
    Numbers unit(count, 0);
    unit[i] = 1;
    EXPECT_NEAR(gradient[i], slope(of, input, unit, weights), 1e-6 * (1 + std::fabs(gradient[i])))
        << of.name << " input " << input << " element " << i;
  }
}

class GradientRule : public testing::TestWithParam<std::string_view> {};

TEST_P(GradientRule, AgreesWithCentralDifferences) {
  const OpDef& op = *find_op(GetParam());
  std::mt19937_64 random(7);
  for (const OpSample& sample : op.samples()) {
    const OpCase of = reference::op_case(op, sample);
    Numbers weights = reference::spread_numbers(
        static_cast<std::size_t>(of.call.outputs[0].elements()), -1, 1, 99);
    if (op.loss) weights = {4};  // the loss scale
    const std::vector<std::size_t> trained = trained_inputs(of);
    const Differentiated all(of, trained, weights);
    if (is_step(of)) expect_gradient(of, 0, Numbers(of.inputs[0].size(), 0), weights, random);
    for (const std::size_t input : trained) {
      ASSERT_TRUE(all.has_gradient(input)) << of.name << " input " << input;
      ASSERT_EQ(all.gradient_shape(input), of.call.inputs[input].shape) << of.name;
      expect_gradient(of, input, all.gradient(input), weights, random);
    }
  }
}

TEST_P(GradientRule, ComputesOnlyWhatIsWanted) {
  const OpDef& op = *find_op(GetParam());
  for (const OpSample& sample : op.samples()) {
    const OpCase of = reference::op_case(op, sample);
    const Numbers weights = reference::spread_numbers(
        static_cast<std::size_t>(of.call.outputs[0].elements()), -1, 1, 99);
    const std::vector<std::size_t> trained = trained_inputs(of);
    const Differentiated all(of, trained, weights);
    for (const std::size_t input : trained) {
      const Differentiated one(of, {input}, weights);
      ASSERT_TRUE(one.has_gradient(input)) << of.name;
      EXPECT_EQ(one.gradient(input), all.gradient(input)) << of.name;
      EXPECT_LE(one.graph().nodes.size(), all.graph().nodes.size()) << of.name;
      for (const std::size_t other : trained) {
        EXPECT_EQ(one.has_gradient(other), other == input) << of.name;
      }
      std::set<ValueId> read;
      for (const Node& node : one.graph().nodes)
        read.insert(node.inputs.begin(), node.inputs.end());
      for (const Node& node : one.graph().nodes) {
        if (node.phase != Phase::Backward || node.outputs.size() > 1) continue;
        const bool result = one.graph().value(node.outputs[0]).gradient_of != kNone;
        EXPECT_TRUE(result || read.contains(node.outputs[0])) << of.name << " " << node.name;
      }
    }
  }
}

std::vector<std::string_view> differentiable_ops() {
  std::vector<std::string_view> names;
  for (const OpDef& op : all_ops()) {
    if (op.gradient != nullptr) names.push_back(op.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Registry, GradientRule, testing::ValuesIn(differentiable_ops()),
                         [](const auto& of) { return std::string(of.param); });

/// The functors of kernels/math and the rows of the registry say the same of every operator.
TEST(Gradients, OfElementwiseOpsReadWhatTheFunctorSaves) {
  UnaryOps::for_each([]<class F> {
    const OpDef* op = find_op(F::kName);
    ASSERT_NE(op, nullptr) << F::kName;
    Graph graph;
    Value x;
    x.name = "x";
    x.type = {{3}, {}};
    x.kind = ValueKind::Parameter;
    const ValueId id = graph.add_value(x);
    const NodeId node = graph.add_node("op", F::kName, {id}, op->samples()[0].attributes);
    GradientBuilder builder(graph);
    builder.add(graph.node(node).outputs[0], id);
    builder.run();
    const Node& grad = graph.nodes.back();
    const std::vector<ValueId>& outputs = graph.node(node).outputs;
    if (F::kSaves == Saves::Nothing) {
      EXPECT_EQ(grad.inputs.size(), 1U) << F::kName;
      return;
    }
    const ValueId saved = F::kSaves == Saves::Mask    ? outputs.back()
                          : F::kSaves == Saves::Input ? id
                                                      : outputs[0];
    EXPECT_EQ(grad.inputs.at(1), saved) << F::kName;
    EXPECT_EQ(outputs.size(), F::kSaves == Saves::Mask ? 2U : 1U) << F::kName;
    EXPECT_EQ(grad.op->name, std::string(F::kName) + "Grad");
  });
}

/// Slices that cover a value make one gradient, others are summed: both are right.
TEST(Gradients, OfSlicesAreJoinedWhereTheyCoverTheValue) {
  using Cut = std::pair<std::int64_t, std::int64_t>;  // columns [first, second)
  const auto gradient_of = [](const std::vector<Cut>& cuts, std::string_view last_op) {
    Graph graph;
    Value x;
    x.name = "x";
    x.type = {{2, 6}, {}};
    x.kind = ValueKind::Parameter;
    const ValueId id = graph.add_value(x);
    std::vector<Numbers> values{reference::spread_numbers(12, -1, 1, 1)};
    std::vector<std::pair<ValueId, ValueId>> ends;
    Numbers expected(12, 0);
    for (const auto& [begin, end] : cuts) {
      Value weights;
      weights.name = "w" + std::to_string(ends.size());
      weights.type = {{2, end - begin}, {}};
      weights.kind = ValueKind::Input;
      const ValueId dy = graph.add_value(weights);
      values.push_back(
          reference::spread_numbers(static_cast<std::size_t>(2 * (end - begin)), -1, 1, 9));
      for (std::int64_t i = 0; i < 2; ++i) {
        for (std::int64_t k = begin; k < end; ++k) {
          expected[static_cast<std::size_t>(6 * i + k)] +=
              values.back()[static_cast<std::size_t>((end - begin) * i + k - begin)];
        }
      }
      ends.emplace_back(kNone, dy);
    }
    for (std::size_t k = 0; k < cuts.size(); ++k) {
      const NodeId slice = graph.add_node("slice" + std::to_string(k), "Slice", {id},
                                          {{"starts", Shape{0, cuts[k].first}},
                                           {"steps", Shape{1, 1}},
                                           {"shape", Shape{2, cuts[k].second - cuts[k].first}}});
      ends[k].first = graph.node(slice).outputs[0];
    }
    GradientBuilder builder(graph);
    for (const auto& [y, dy] : ends) builder.add(y, dy);
    builder.run();
    graph.verify();
    EXPECT_EQ(graph.nodes.back().op->name, last_op);
    values.resize(graph.values.size());
    reference::run(graph, values);
    EXPECT_EQ(values[static_cast<std::size_t>(builder.gradient(id))], expected);
  };
  gradient_of({{4, 6}, {0, 3}, {3, 4}}, "Concat");
  gradient_of({{0, 3}}, "SliceGrad");
  gradient_of({{0, 3}, {2, 6}}, "Sum2");
  gradient_of({{0, 3}, {4, 6}}, "Sum2");
  gradient_of({{0, 3}, {3, 6}, {0, 3}}, "Sum2");
}

/// Square of a value by one op that reads it twice: both contributions add up.
TEST(Gradients, OfAValueThatIsReadTwiceAreSummed) {
  for (const char* op : {"Mul", "MatMul", "Add", "Sub", "Div"}) {
    Graph graph;
    Value x;
    x.name = "x";
    x.type = {{3, 3}, {}};
    x.kind = ValueKind::Parameter;
    const ValueId id = graph.add_value(x);
    Value weights = x;
    weights.name = "weights";
    weights.kind = ValueKind::Input;
    const ValueId dy = graph.add_value(weights);
    const NodeId node = graph.add_node("op", op, {id, id});
    const ValueId y = graph.node(node).outputs[0];
    GradientBuilder builder(graph);
    builder.add(y, dy);
    builder.run();
    graph.verify();

    std::vector<Numbers> values(graph.values.size());
    values[0] = reference::spread_numbers(9, 0.5, 2, 1);
    values[1] = reference::spread_numbers(9, -1, 1, 2);
    reference::run(graph, values);
    const Numbers gradient = values[static_cast<std::size_t>(builder.gradient(id))];
    const Numbers at = values[0];
    constexpr double kStep = 1e-5;
    for (std::size_t i = 0; i < at.size(); ++i) {
      double side[2];
      for (const int s : {0, 1}) {
        values[0] = at;
        values[0][i] += s == 0 ? -kStep : kStep;
        reference::run(graph, values);
        side[s] = dot(values[static_cast<std::size_t>(y)], values[1]);
      }
      EXPECT_NEAR(gradient[i], (side[1] - side[0]) / (2 * kStep), 1e-6) << op << " element " << i;
    }
  }
}

TEST(Gradients, OfAParameterBehindANonDifferentiableOpAreRefused) {
  Graph graph;
  Value x;
  x.name = "x";
  x.type = {{3}, {}};
  x.kind = ValueKind::Parameter;
  const ValueId id = graph.add_value(x);
  const NodeId node = graph.add_node("narrow", "Cast", {id});
  GradientBuilder builder(graph);
  builder.add(graph.node(node).outputs[0], id);
  EXPECT_THROW(builder.run(), Error);
}

}  // namespace
}  // namespace mpsearch
