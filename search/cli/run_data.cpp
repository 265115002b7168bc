#include "search/cli/run_data.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/error.h"
#include "models/op.h"
#include "search/cli/run_settings.h"

namespace mpsearch {
namespace {

/// Rows of the table that an integer input indexes; 0 where it indexes none.
std::int64_t table_rows(const Graph& graph, ValueId input) {
  for (const Node& node : graph.nodes) {
    if (node.op->name != "Gather" && node.op->name != "Embedding") continue;
    if (graph.root(node.inputs[1]) != input) continue;
    const Shape& table = graph.value(node.inputs[0]).type.shape;
    return table[static_cast<std::size_t>(node.attributes.integer("axis", 0))];
  }
  return 0;
}

Shape without_batch(const Shape& shape) {
  return shape.empty() ? Shape() : Shape(shape.begin() + 1, shape.end());
}

/// A step's samples lie along the first dimension of everything that data fill.
void require_batch_first(const Model& model, const std::string& what, const Shape& shape) {
  if (!shape.empty() && shape[0] == model.batch) return;
  throw Error(
      ErrorKind::BadContent,
      {.what = fmt::format("{} of shape {} does not begin with the batch", what, to_string(shape)),
       .at = model.name,
       .why = fmt::format("a step takes {} samples along the first dimension of every "
                          "input and of every output with a loss",
                          model.batch),
       .try_ = "export the model with the batch first, and with constants in place of "
               "inputs that are no data"});
}

/// What a loss of this kind is compared with, for data that are made up.
ArrayRequest target_of(const Model& model, const OutputLoss& loss, std::string name) {
  const auto place = std::ranges::find(model.output_names, loss.output);
  const auto index = static_cast<std::size_t>(place - model.output_names.begin());
  const Shape& shape = model.graph.value(model.graph.outputs[index]).type.shape;
  require_batch_first(model, "output '" + loss.output + "'", shape);
  ArrayRequest target{.name = std::move(name),
                      .dtype = DType::F32,
                      .sample_shape = without_batch(shape),
                      .integers_below = 0};
  if (loss.kind == LossKind::CrossEntropy && shape.size() >= 2) {
    target.dtype = DType::I64;
    target.integers_below = shape.back();
    target.sample_shape.pop_back();
  } else if (loss.kind == LossKind::BinaryCrossEntropy) {
    target.dtype = DType::I64;
    target.integers_below = 2;
  }
  return target;
}

/// --mean or --std, else what the model was trained with, as its file says.
std::vector<float> normalization(const RunSetup& setup, const Options& options,
                                 const std::string& name) {
  if (options.has(name)) {
    return number_list(options.text(name), "--" + name);
  }
  const auto stored = setup.model.metadata.find("mpsearch." + name);
  return stored == setup.model.metadata.end() ? std::vector<float>()
                                              : number_list(stored->second, stored->first);
}

DataRequest data_request(const RunSetup& setup, const Options& options) {
  DataRequest request;
  for (const ValueId id : setup.model.graph.inputs) {
    const Value& value = setup.model.graph.value(id);
    require_batch_first(setup.model, "input '" + value.name + "'", value.type.shape);
    const bool integer = value.type.form.dtype != DType::F32;
    request.inputs.push_back({.name = value.name,
                              .dtype = value.type.form.dtype,
                              .sample_shape = without_batch(value.type.shape),
                              .integers_below = integer ? table_rows(setup.model.graph, id) : 0});
  }
  const TrainingOptions training = training_options(setup.settings);
  for (const OutputLoss& loss : losses_of(setup.model, training)) {
    request.targets.push_back(
        target_of(setup.model, loss, training.losses.empty() ? "target" : loss.output));
  }
  request.mean = normalization(setup, options, "mean");
  request.std = normalization(setup, options, "std");
  request.seed = setup.settings.seed;
  request.synthetic_samples = std::max<std::int64_t>(1024, 4 * setup.model.batch);
  return request;
}

bool is_integer(DType dtype) { return dtype != DType::F32; }

/// Decides the loss from what a data set's targets are, or from the model where they are made up.
void decide_loss(RunSetup& setup, const DataArray* target) {
  if (!setup.settings.loss.empty()) {
    setup.loss_reason = setup.plan ? "as planned" : "--loss";
    return;
  }
  const Model& model = setup.model;
  const std::string& activation = model.final_activations[0];
  if (activation == "Sigmoid") {
    setup.settings.loss = "bce";
    setup.loss_reason = "the model ends in a Sigmoid, which the loss takes over";
  } else if (target != nullptr) {
    const bool classes = is_integer(target->dtype());
    setup.settings.loss = classes ? "cross-entropy" : "mse";
    setup.loss_reason = classes ? "integer targets" : "float targets";
  } else {
    const Shape& output = model.graph.value(model.graph.outputs[0]).type.shape;
    const bool table = (output.size() == 2 || output.size() == 3) && output.back() > 1;
    setup.settings.loss = activation.ends_with("Softmax") || table ? "cross-entropy" : "mse";
    setup.loss_reason = "no --data; the output has shape " + to_string(output);
  }
}

void check_labels(const DataArray& labels, std::int64_t classes, const std::string& output) {
  if (!is_integer(labels.dtype())) {
    throw Error(ErrorKind::BadContent, {.what = "cross-entropy needs integer targets",
                                        .at = labels.origin(),
                                        .why = "its values are floats",
                                        .try_ = "--loss mse"});
  }
  if (classes == 1) {
    throw Error(ErrorKind::BadContent,
                {.what = "cross-entropy needs two classes or more",
                 .at = labels.origin(),
                 .why = fmt::format("output '{}' has one value a sample", output),
                 .try_ = "--loss bce for labels 0 and 1, --loss mse for numbers"});
  }
  labels.require_labels_below(
      classes, fmt::format("the model has {} classes (output '{}')", classes, output));
}

/// Targets of the shape, kind and range that their loss compares with an output. What is wrong is
/// found here, not in a step.
void check_targets(const RunSetup& setup, Dataset& data) {
  const std::vector<OutputLoss> losses = losses_of(setup.model, training_options(setup.settings));
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const OutputLoss& loss = losses[i];
    const ArrayRequest wanted = target_of(setup.model, loss, loss.output);
    DataArray& targets = data.targets[i];
    const char* const kind = loss.kind == LossKind::CrossEntropy       ? "cross-entropy"
                             : loss.kind == LossKind::MeanSquaredError ? "mse"
                                                                       : "bce";
    targets.reshape(wanted.sample_shape,
                    fmt::format("the loss {} of output '{}'", kind, loss.output));
    if (loss.kind == LossKind::CrossEntropy && wanted.integers_below > 0) {
      check_labels(targets, wanted.integers_below, loss.output);
    } else if (loss.kind == LossKind::BinaryCrossEntropy) {
      targets.require_probabilities(fmt::format("the loss bce of output '{}'", loss.output));
    }
  }
}

}  // namespace

void open_all_data(RunSetup& setup, const Options& options) {
  const std::string spec = setup.settings.data.empty() ? "synthetic" : setup.settings.data;
  if (spec == "synthetic") decide_loss(setup, nullptr);
  DataSplits splits = open_data(spec, data_request(setup, options));
  if (spec != "synthetic") decide_loss(setup, &splits.train.targets[0]);
  const bool has_evaluation = options.has("eval-data");
  if (has_evaluation) {
    DataSplits other = open_data(options.text("eval-data"), data_request(setup, options));
    splits.evaluate = other.evaluate ? std::move(other.evaluate) : std::move(other.train);
  }
  check_targets(setup, splits.train);
  if (splits.evaluate) check_targets(setup, *splits.evaluate);
  setup.training = std::move(splits.train);
  setup.evaluation = std::move(splits.evaluate);
  setup.settings.data = setup.data().label;
  setup.settings.data_hash = setup.data().content_hash();
}

}  // namespace mpsearch
