#include "search/cli/run_setup.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/error.h"
#include "models/onnx/import.h"
#include "models/op.h"
#include "search/cli/paths.h"
#include "search/cli/plan_request.h"
#include "search/cli/profile_bar.h"
#include "search/cli/run_settings.h"
#include "search/cli/shell_word.h"
#include "search/cli/size.h"
#include "search/profile_cache.h"

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

void check_plan_fits(const Plan& plan, const Model& model, const std::string& path) {
  if (plan.model.sha256 == model.sha256) return;
  const auto origin = model.metadata.find("mpsearch.trained_from");
  if (origin != model.metadata.end() && origin->second == plan.model.sha256) return;
  std::string difference = "the layers have the same names";
  try {
    precision_of(plan, model);
  } catch (const Error& error) {
    difference = error.text().why;
  }
  throw Error(
      ErrorKind::BadContent,
      {.what = "the plan is of another model",
       .at = path,
       .why = fmt::format("the plan's model {} has SHA-256 {:.12}..., this file {:.12}...; {}",
                          plan.model.name, plan.model.sha256, model.sha256, difference),
       .try_ = fmt::format("mpsearch {} --budget SIZE", shell_word(path))});
}

/// The model as the settings want it. Where a plan's shapes or patterns do not fit, the first thing
/// to say is that the plan is of another model.
Model import_planned(const std::string& path, const Plan* plan, const ImportOptions& options) {
  try {
    return import_model(path, options);
  } catch (const Error&) {
    if (plan == nullptr) throw;
    std::optional<Model> bare;
    try {
      bare = import_model(path);
    } catch (const Error&) {
      // The first error stands.
    }
    if (bare) check_plan_fits(*plan, *bare, path);
    throw;
  }
}

/// Found before hours of measuring: an error for a folder of the user's, a warning for the default.
void check_cache(PlanRequest& request, const Options& options, Console& console) {
  if (request.cache_dir.empty()) return;
  try {
    require_folder("--profile-cache", request.cache_dir);
  } catch (const Error& error) {
    if (options.given("profile-cache")) throw;
    console.warn(
        fmt::format("measurements are not kept: {}: {}", error.text().at, error.text().why));
    request.cache_dir.clear();
  }
}

/// Refuses flags of which one would be ignored.
void check_choice(const Options& options) {
  const auto exclusive = [&](const char* one, const char* other) {
    if (!options.has(one) || !options.has(other)) return;
    throw Error(ErrorKind::Usage,
                {.what = fmt::format("--{} and --{} exclude each other", one, other),
                 .at = {},
                 .why = "both say each layer's precision",
                 .try_ = fmt::format("--{} without --{}", one, other)});
  };
  for (const char* name : {"precision", "pin", "forbid", "precisions", "fp8-edges"}) {
    exclusive("plan", name);
  }
  exclusive("budget", "precision");
}

void check_has_ends(const Model& model, const std::string& path) {
  const auto check = [&](const std::vector<ValueId>& values, const char* what) {
    if (!values.empty()) return;
    throw Error(ErrorKind::BadContent,
                {.what = fmt::format("the model has no {}", what),
                 .at = path,
                 .why = "training gives data to its inputs and a loss to its outputs",
                 .try_ = fmt::format("export it with the {} among its graph's {}s", what, what)});
  };
  check(model.graph.inputs, "input");
  check(model.graph.outputs, "output");
  for (const ValueId id : model.graph.inputs) {
    const Value& input = model.graph.value(id);
    if (input.type.elements() > 0) continue;
    throw Error(ErrorKind::BadContent,
                {.what = fmt::format("input '{}' has no elements", input.name),
                 .at = path,
                 .why = "its shape is " + to_string(input.type.shape),
                 .try_ = "--batch or --input with sizes of at least 1"});
  }
}

}  // namespace

RunSetup set_up(const std::string& model_path, const Options& options, Console& console,
                bool auto_batch) {
  check_choice(options);
  RunSetup setup;
  setup.path = model_path;
  if (options.has("plan")) {
    Read<Plan> read = read_plan(options.text("plan"));
    for (const std::string& warning : read.warnings) console.warn(warning);
    setup.plan = std::move(read.value);
  }
  const Plan* const plan = setup.plan ? &*setup.plan : nullptr;
  setup.settings = settings_from(options, plan, auto_batch);
  setup.model = import_planned(model_path, plan, import_options(setup.settings));
  check_has_ends(setup.model, model_path);
  if (plan != nullptr) check_plan_fits(*plan, setup.model, model_path);
  for (const std::string& note : setup.model.notes) console.note("note: " + note);
  setup.settings.batch = setup.model.batch;
  std::string device = plan != nullptr ? plan->device.backend : "cpu";
  std::int64_t threads = plan != nullptr ? plan->device.threads : 0;
  if (options.given("device")) device = options.text("device");
  if (options.given("threads")) threads = options.integer("threads");
  setup.backend = make_backend(device, static_cast<int>(threads));
  open_all_data(setup, options);
  setup.request = request_from(setup.settings, options);
  check_cache(setup.request, options, console);
  return setup;
}

TrainingSettings settings_at(TrainingSettings settings, std::int64_t batch) {
  for (InputSettings& input : settings.inputs) {
    if (!input.shape.empty() && input.shape[0] == settings.batch) input.shape[0] = batch;
  }
  settings.batch = batch;
  return settings;
}

std::optional<Model> rebatched(const RunSetup& setup, std::int64_t batch) {
  try {
    return import_model(setup.path, import_options(settings_at(setup.settings, batch)));
  } catch (const Error&) {
    return std::nullopt;  // its file has the batch written into it
  }
}

void require_enough_samples(const RunSetup& setup, const Options& options) {
  const std::int64_t samples = setup.data().samples();
  const std::int64_t micro_batches = setup.settings.accumulation;
  const bool asked = options.is_number("batch") || options.has("accumulate");
  if (!asked || setup.data().label == "synthetic") return;
  if (setup.model.batch * micro_batches <= samples) return;
  const std::string accumulated =
      micro_batches > 1 ? fmt::format(" x {} accumulated", micro_batches) : "";
  throw Error(
      ErrorKind::Usage,
      {.what = fmt::format("batch {}{} is more than the data hold", setup.model.batch, accumulated),
       .at = setup.data().label,
       .why = fmt::format("it has {} samples", samples),
       .try_ = samples >= micro_batches
                   ? fmt::format("--batch {} or less", samples / micro_batches)
                   : fmt::format("--accumulate {} or less, with --batch 1", samples)});
}

void warn_of_synthetic(const RunSetup& setup, const Options& options, Console& console) {
  if (setup.data().label != "synthetic" || options.has("data")) return;
  console.warn(fmt::format("no --data: {}", kMadeUpData));
}

SpeedProfile measured_speed(const RunSetup& setup, const Model& model,
                            std::span<const Precision> precision, Console& console) {
  const ProfileCache cache(setup.request.cache_dir);
  const DeviceIdentity device = setup.backend->identity();
  const std::vector<std::vector<Precision>> plans{{precision.begin(), precision.end()}};
  Model only = model;  // what this choice runs, and no cast besides
  for (std::size_t i = 0; i < only.graph.layers.size(); ++i) {
    only.graph.layers[i].allowed = {precision[i]};
  }
  SpeedProfile speed = profile_speed(
      only, scaled_options(setup.request.training, setup.request.loss_scale, precision), plans,
      *setup.backend, cache.speed(device), profile_bar(console));
  cache.store_speed(device, speed);
  return speed;
}

Choice policy_choice(RunSetup& setup, const std::string& policy, Console& console) {
  Choice choice;
  choice.name = policy;
  Model narrowed = setup.model;
  const Exclusions exclusions =
      restrict_layers(narrowed, setup.request.training, setup.request.restrictions, *setup.backend);
  const Graph& graph = narrowed.graph;
  const Precision wanted =
      policy == "amp" ? Precision::BF16 : precision_from(policy).value_or(Precision::FP32);
  choice.precision = policy == "amp" ? amp_policy(graph, wanted) : uniform_policy(graph, wanted);
  for (std::size_t i = 0; i < graph.layers.size() && policy != "amp"; ++i) {
    if (choice.precision[i] == wanted) continue;
    const auto why = exclusions.find({static_cast<LayerId>(i), wanted});
    choice.notes.push_back(fmt::format("{} is {}, not {}: {}", graph.layers[i].name,
                                       name_of(choice.precision[i]), name_of(wanted),
                                       why == exclusions.end() ? "not allowed" : why->second));
  }
  choice.kernels = measured_speed(setup, narrowed, choice.precision, console).kernels;
  return choice;
}

Choice choose(RunSetup& setup, const Options& options, Console& console) {
  if (!setup.plan) {
    const bool asked = options.has("precision");
    return policy_choice(setup, asked ? options.text("precision") : "fp32", console);
  }
  Choice choice;
  choice.name = options.given("plan") ? options.text("plan") : "searched plan";
  choice.precision = precision_of(*setup.plan, setup.model);
  choice.kernels = kernels_of(*setup.plan);
  choice.budget_bytes = setup.plan->budget_bytes;
  if (options.has("budget") && options.given("plan")) {
    choice.budget_bytes =
        parse_size(options.text("budget"), "budget").of(setup.plan->fp32_peak_bytes);
  }
  choice.planned_bytes = setup.plan->peak_bytes;
  return choice;
}

Prepared prepare_choice(const RunSetup& setup, const Choice& choice) {
  Prepared prepared = prepare(
      setup.model,
      scaled_options(setup.request.training, setup.request.loss_scale, choice.precision),
      choice.precision,
      [&](const KernelCall& call) { return choose_kernel(*setup.backend, choice.kernels, call); });
  if (choice.budget_bytes > 0 && prepared.peak > choice.budget_bytes) {
    throw Error(ErrorKind::GoalNotMet,
                {.what = "the run would exceed its budget",
                 .at = choice.name,
                 .why = fmt::format("with these flags its peak is {} ({} bytes), the budget {} "
                                    "({} bytes)",
                                    format_bytes(prepared.peak), prepared.peak,
                                    format_bytes(choice.budget_bytes), choice.budget_bytes),
                 .try_ = fmt::format("mpsearch {} --batch {} --budget {}B makes a plan for them",
                                     setup.path, setup.model.batch, choice.budget_bytes)});
  }
  return prepared;
}

void complete_settings(const RunSetup& setup, Plan& plan) {
  plan.settings.data = setup.settings.data;
  plan.settings.data_hash = setup.settings.data_hash;
  plan.settings.freeze = setup.settings.freeze;
  plan.settings.train = setup.settings.train;
}

std::string count_precisions(std::span<const Precision> precision) {
  std::string text;
  for (const Precision kind : kPrecisions) {
    const auto count = std::ranges::count(precision, kind);
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name_of(kind));
  }
  return text;
}

}  // namespace mpsearch
