#include "tests/support/op_case.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "kernels/math/unary.h"
#include "kernels/step_state.h"
#include "tests/support/index.h"

namespace mpsearch::reference {
namespace {

using Random = std::mt19937_64;

/// Operators whose gradient reads the output of forward.
bool reads_forward_output(std::string_view op) {
  static const std::set<std::string> kNames = [] {
    std::set<std::string> names{"SoftmaxGrad", "LogSoftmaxGrad"};
    UnaryOps::for_each([&]<class F>() {
      if (F::kSaves == Saves::Output) names.insert(std::string(F::kName) + "Grad");
    });
    return names;
  }();
  return kNames.contains(std::string(op));
}

/// Output `index` of another operator on these inputs.
Numbers output_of(std::string_view op, const Attributes& attributes, std::vector<TensorType> types,
                  std::vector<Numbers> inputs, std::size_t index) {
  KernelCall call{std::string(op), attributes, std::move(types), {}};
  call.outputs = find_op(op)->infer(attributes, call.inputs);
  return evaluate(call, inputs)[index];
}

void round_to_f32(Numbers& values) {
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
}

StepInputs sample_inputs() { return {.seed = 12345, .attempt = 7, .learning_rate = 0.0625F}; }

StepState sample_state() {
  StepState state;
  state.loss_scale = 8;
  state.dynamic = 1;
  state.accepted = 3;
  state.micro_batches = 3;
  state.gradient_factor = 0.125F;
  state.learning_rate = 0.0625F;
  return state;
}

/// Classes below `classes`, but the first and every fifth label ignored where that leaves others.
Numbers labels(std::size_t count, std::int64_t classes, std::int64_t ignored, Random& random) {
  Numbers values;
  for (std::size_t i = 0; i < count; ++i) {
    const bool ignore = count > 1 && i % 5 == 0;
    values.push_back(static_cast<double>(
        ignore ? ignored : static_cast<std::int64_t>(random() % static_cast<unsigned>(classes))));
  }
  return values;
}

/// The tensor that the indices of a gather or scatter name elements of; empty for other operators.
Shape indexed_shape(const OpCase& made) {
  const std::string& op = made.call.op;
  if (op != "Embedding" && !op.starts_with("Gather") && !op.starts_with("Scatter")) return {};
  const Shape given = made.call.attributes.integers("input_shape");
  return given.empty() ? made.call.inputs[0].shape : given;
}

/// Any integers of the sample's range.
Numbers integers(std::size_t count, const OpSample& sample, Random& random) {
  const auto low = static_cast<std::int64_t>(sample.low);
  const auto most = static_cast<std::uint64_t>(sample.high - sample.low) + 1;
  Numbers values(count);
  for (double& value : values)
    value = static_cast<double>(low + static_cast<std::int64_t>(random() % most));
  return values;
}

/// Valid indices, some from the end. Those of a scatter that overwrites name nothing twice.
void make_indices(OpCase& made, Random& random) {
  const Shape x = indexed_shape(made);
  if (x.empty()) return;
  const std::string& op = made.call.op;
  const std::size_t indices = op.starts_with("Scatter") && op.ends_with("Grad") ? 2 : 1;
  const Shape& shape = made.call.inputs[indices].shape;
  const bool tuples = op.find("ND") != std::string::npos;
  const bool distinct = made.call.attributes.text("reduction", "") == "none";
  const auto axis = static_cast<std::size_t>(made.call.attributes.integer("axis", 0));
  const auto batch = static_cast<std::size_t>(made.call.attributes.integer("batch_dims", 0));
  std::int64_t row = 0;
  std::size_t at = 0;
  for_each_index(shape, [&](const Shape& index) {
    std::int64_t size = x[axis];
    std::int64_t place = shape.empty() ? 0 : index[std::min(axis, index.size() - 1)] + 1;
    if (tuples) {  // mixed-radix digits of one row after the other
      const auto digit = static_cast<std::size_t>(index.back());
      row += digit == 0 ? 1 : 0;
      size = x[batch + digit];
      place = row;
      for (std::size_t d = batch + static_cast<std::size_t>(shape.back());
           d-- > batch + digit + 1;) {
        place /= x[d];
      }
    }
    if (!distinct) place = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(size));
    place %= size;
    made.inputs[indices][at++] = static_cast<double>(random() % 3 == 0 ? place - size : place);
  });
}

Numbers by_dtype(const OpCase& made, std::size_t input, const OpSample& sample, Random& random) {
  const TensorType& type = made.call.inputs[input];
  const auto count = static_cast<std::size_t>(type.elements());
  switch (type.form.dtype) {
    case DType::U8:
      if (count == sizeof(StepState)) return numbers_of(sample_state());
      if (count == sizeof(StepInputs)) return numbers_of(sample_inputs());
      return Numbers(count, 0);
    case DType::BIT: {
      Numbers bits(count);
      for (double& bit : bits) bit = static_cast<double>(random() & 1);
      return bits;
    }
    case DType::I32:
      return Numbers(count, 0);
    case DType::BOOL: {
      Numbers truths(count);
      for (double& truth : truths) truth = static_cast<double>(random() % 2);
      return truths;
    }
    case DType::I64:
      if (!made.op->loss && !made.call.op.ends_with("CrossEntropyGrad")) {
        return integers(count, sample, random);
      }
      return labels(count, made.call.inputs[0].shape.back(),
                    made.call.attributes.integer("ignore_index", -100), random);
    default:
      return spread_numbers(count, sample.low, sample.high, random());
  }
}

void make_positive(Numbers& values) {
  for (double& value : values) value = std::fabs(value) + 0.25;
}

/// What random numbers do not give: values that belong together.
void adjust(OpCase& made, const OpSample& sample, Random& random) {
  const std::string& op = made.call.op;
  std::vector<Numbers>& in = made.inputs;
  const std::vector<TensorType>& types = made.call.inputs;
  if (reads_forward_output(op)) {
    in[1] = output_of(op.substr(0, op.size() - 4), made.call.attributes, {types[1]}, {in[1]}, 0);
  } else if (op == "MaxPoolGrad" || op == "MaxPoolPlaces") {
    const TensorType x{made.call.attributes.integers("input_shape"), {}};
    const Numbers values = spread_numbers(count_of(x.shape), sample.low, sample.high, random());
    in.back() = output_of("MaxPool", made.call.attributes, {x}, {values}, 1);
  } else if (op == "ReduceMaxGrad") {
    const TensorType x{made.call.attributes.integers("input_shape"), {}};
    const Numbers values = spread_numbers(count_of(x.shape), sample.low, sample.high, random());
    in[1] = output_of("ReduceMax", made.call.attributes, {x}, {values}, 1);
  } else if (op == "ReduceL2Grad" || op == "ReduceLogSumExpGrad") {
    in[2] = output_of(op.substr(0, op.size() - 4), made.call.attributes, {types[1]}, {in[1]}, 0);
  } else if (op.starts_with("Scatter") && op.ends_with("Grad")) {
    for (const std::size_t k : {1, 3}) {  // with equal ones and zeros
      for (double& value : in[k]) value = std::round(2 * value) / 2;
    }
  } else if (op == "BatchNormGrad") {
    for (const std::size_t k : {1, 2}) {
      in[2 + k] = output_of("BatchNormalization", made.call.attributes,
                            {types[1], types[2], types[2]}, {in[1], in[2], in[2]}, k);
    }
  } else if (op == "LayerNormGrad" || op == "GroupNormGrad") {
    const std::string forward = op == "LayerNormGrad" ? "LayerNormalization" : "GroupNormalization";
    for (const std::size_t k : {1, 2}) {
      in[2 + k] = output_of(forward, made.call.attributes, {types[1], types[2], types[2]},
                            {in[1], in[2], in[2]}, k);
    }
  } else if (op == "RMSNormGrad") {
    in[3] = output_of("RMSNormalization", made.call.attributes, {types[1], types[2]},
                      {in[1], in[2]}, 1);
  } else if (op == "BatchNormInference" || op == "BatchNormInferenceGrad") {
    make_positive(in[4]);
  } else if (op == "RunningStatistics") {
    make_positive(in[1]);
    make_positive(in[3]);
  } else if (op == "Adam") {
    make_positive(in[4]);
  } else if (op == "StepControl") {
    for (std::size_t i = 3; i < in.size(); ++i) in[i] = {std::fabs(in[i][0]) + 1, 0};
  } else if (op.starts_with("SigmoidCrossEntropy")) {
    for (double& target : in[1]) target = static_cast<double>(random() & 1);
  }
}

/// Whether input `index` is the gradient of an output.
bool is_gradient(const std::string& op, std::size_t index) {
  if (op == "ConvGradWeight") return index == 1;
  if (op == "BiasGrad" || op == "ConvGradInput") return index == 0;
  if (op.ends_with("GradA") || op.ends_with("GradB")) return index == 0;
  return op.ends_with("Grad") && !op.ends_with("CrossEntropyGrad") && index == 0;
}

DType dtype_of(Role role, DType own, bool gradient, const LayerFormats& formats) {
  if (!is_float(own) || role == Role::Own) return own;
  if (role == Role::F32) return DType::F32;
  if (role == Role::Operand) return gradient ? formats.gradient_operand : formats.operand;
  return gradient ? formats.gradient : formats.carrier;
}

}  // namespace

OpCase op_case(const OpDef& op, const OpSample& sample, std::uint64_t seed) {
  OpCase made{
      .name = std::string(op.name) + "." + sample.name, .op = &op, .call = {}, .inputs = {}};
  made.call = {std::string(op.name), sample.attributes, sample.inputs,
               op.infer(sample.attributes, sample.inputs)};
  Random random(seed);
  for (std::size_t i = 0; i < sample.inputs.size(); ++i) {
    made.inputs.push_back(by_dtype(made, i, sample, random));
  }
  adjust(made, sample, random);
  make_indices(made, random);
  for (std::size_t i = 0; i < made.inputs.size(); ++i) {
    if (made.call.inputs[i].form.dtype == DType::F32) round_to_f32(made.inputs[i]);
  }
  return made;
}

std::vector<OpCase> all_cases(std::uint64_t seed) {
  std::vector<OpCase> cases;
  for (const OpDef& op : all_ops()) {
    for (const OpSample& sample : op.samples()) cases.push_back(op_case(op, sample, seed));
  }
  return cases;
}

KernelCall in_forms(const OpCase& of, Precision precision, Layout layout) {
  const LayerFormats formats = formats_of(precision);
  const OpDef& op = *of.op;
  KernelCall call = of.call;
  const std::size_t rank = call.inputs[0].shape.size();
  const auto set = [&](TensorType& type, Role role, bool gradient, bool weight) {
    type.form.dtype = dtype_of(role, type.form.dtype, gradient, formats);
    const bool image = rank >= 4 && type.shape.size() == rank && role != Role::F32 && !weight;
    type.form.layout = image ? layout : Layout::RowMajor;
  };
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    set(call.inputs[i], role_of_input(op, i), is_gradient(call.op, i),
        static_cast<int>(i) == op.weight);
  }
  const bool gives_gradient = call.op.ends_with("Grad") || call.op.starts_with("ConvGrad");
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    set(call.outputs[i], role_of_output(op, i), gives_gradient, false);
  }
  return call;
}

Numbers spread_numbers(std::size_t count, double low, double high, std::uint64_t seed) {
  Random random(seed);
  // Two tensors of one size must not hold the same values: the offset lies in (0.3, 0.4) or so of a
  // step, at least an eighth from every quarter.
  const double offset = 0.36 + 0.02 * (static_cast<double>(random() >> 11) * 0x1p-53 - 0.5);
  Numbers values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = low + (high - low) * (static_cast<double>(i) + offset) / static_cast<double>(count);
  }
  for (std::size_t i = count; i > 1; --i) std::swap(values[i - 1], values[random() % i]);
  return values;
}

}  // namespace mpsearch::reference
