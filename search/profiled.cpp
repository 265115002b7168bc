// Profiling a model, from the cache where it can, and describing a plan from the profile.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kernels/error.h"
#include "models/lower.h"
#include "models/op.h"
#include "runtime/prepared.h"
#include "runtime/session.h"
#include "runtime/shuffle.h"
#include "runtime/trainer.h"
#include "search/planner.h"
#include "search/profile_cache.h"
#include "search/solver/check.h"

#include <fmt/format.h>

namespace mpsearch {
namespace {

ChooseKernel chooser(const Profiled& profiled, const Backend& backend) {
  return [&profiled, &backend](const KernelCall& call) {
    return choose_kernel(backend, profiled.speed.kernels, call);
  };
}

std::vector<std::vector<Precision>> uniform_plans(const Graph& graph) {
  std::vector<std::vector<Precision>> plans;
  plans.emplace_back(graph.layers.size(), Precision::FP32);
  for (const Precision precision : kPrecisions) {
    std::vector<Precision> policy = uniform_policy(graph, precision);
    if (std::ranges::find(plans, policy) == plans.end()) plans.push_back(std::move(policy));
  }
  return plans;
}

/// Scores and the paired check look at one micro-batch a step.
TrainingOptions single_batches(TrainingOptions options) {
  options.micro_batches = 1;
  return options;
}

/// A precision that cannot hold a layer's values is a filter, not a penalty.
void exclude_out_of_range(Profiled& profiled) {
  for (const auto& [key, score] : profiled.sensitivity.scores) {
    if (score.out_of_range.empty()) continue;
    exclude(profiled.model.graph, profiled.exclusions, key.first, key.second, score.out_of_range);
  }
}

/// Milliseconds of a node in a step.
double ms_of(const Profiled& profiled, const Graph& lowered, const Node& node) {
  return runs_in_step(node.phase, profiled.step.micro_batches) *
         profiled.speed.timings.at(key_of(call_of(lowered, node))).ms;
}

/// Milliseconds of a lowered graph's nodes, by layer of the model.
std::vector<double> ms_by_layer(const Profiled& profiled, const Graph& lowered) {
  std::vector<double> ms(lowered.layers.size(), 0);
  for (const Node& node : lowered.nodes) {
    if (node.op->view || node.layer == kNone) continue;
    ms[static_cast<std::size_t>(node.layer)] += ms_of(profiled, lowered, node);
  }
  return ms;
}

/// Bytes live at the peak, by layer of the node that wrote them.
std::vector<std::int64_t> bytes_by_layer(const PreparedGraph& prepared, NodeId event) {
  const Graph& lowered = prepared.lowered.graph;
  std::vector<std::int64_t> bytes(lowered.layers.size(), 0);
  for (std::size_t i = 0; i < lowered.values.size(); ++i) {
    const Value& value = lowered.values[i];
    const Placement& place = prepared.memory.values[i];
    if (value.producer == kNone || place.offset < 0) continue;
    const LayerId layer = lowered.node(value.producer).layer;
    if (layer == kNone || event < place.first || event > place.last) continue;
    bytes[static_cast<std::size_t>(layer)] += place.bytes;
  }
  return bytes;
}

void describe_kernels(const Prepared& prepared, Plan& plan) {
  RecordedKernels kernels;
  for (const PreparedGraph* graph : {&prepared.training, &prepared.evaluation}) {
    for (const Node& node : graph->lowered.graph.nodes) {
      if (!node.op->view) {
        kernels.emplace(key_of(call_of(graph->lowered.graph, node)), node.kernel);
      }
    }
  }
  for (const auto& [key, choice] : kernels) {
    plan.kernels.push_back({key, choice.algorithm, choice.workspace_bytes, choice.deterministic});
  }
}

void describe_layers(const Profiled& profiled, const PreparedGraph& prepared, NodeId event,
                     std::span<const Precision> precision, Plan& plan) {
  const Graph& graph = profiled.model.graph;
  const std::vector<double> ms = ms_by_layer(profiled, prepared.lowered.graph);
  const std::vector<std::int64_t> bytes = bytes_by_layer(prepared, event);
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    PlannedLayer layer;
    layer.name = graph.layers[i].name;
    layer.op = graph.layers[i].op;
    layer.precision = precision[i];
    layer.ms = ms[i];
    layer.bytes = bytes[i];
    layer.sensitivity = profiled.sensitivity.score(static_cast<LayerId>(i), precision[i]);
    for (const Node& node : graph.nodes) {
      if (node.layer == static_cast<LayerId>(i)) layer.nodes.push_back(node.name);
    }
    plan.sensitivity += layer.sensitivity;
    plan.layers.push_back(std::move(layer));
  }
}

void describe_casts(const Profiled& profiled, const Graph& lowered, Plan& plan) {
  for (const Node& node : lowered.nodes) {
    if (node.op->name != "Cast" && node.op->name != "Quantize") continue;
    ++plan.casts.count;
    plan.casts.ms += ms_of(profiled, lowered, node);
  }
}

/// Spread of a sum of independent timings, relative.
double spread_of(const Profiled& profiled, const Graph& lowered) {
  double variance = 0;
  double ms = 0;
  for (const Node& node : lowered.nodes) {
    if (node.op->view) continue;
    const double node_ms = ms_of(profiled, lowered, node);
    const double spread = profiled.speed.timings.at(key_of(call_of(lowered, node))).spread;
    variance += node_ms * spread * node_ms * spread;
    ms += node_ms;
  }
  return ms > 0 ? std::sqrt(variance) / ms : 0;
}

std::string optimizer_name(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::Sgd:
      return "sgd";
    case OptimizerKind::Adam:
      return "adam";
    case OptimizerKind::AdamW:
      return "adamw";
  }
  return {};
}

std::string loss_name(LossKind kind) {
  switch (kind) {
    case LossKind::CrossEntropy:
      return "cross-entropy";
    case LossKind::MeanSquaredError:
      return "mse";
    case LossKind::BinaryCrossEntropy:
      return "bce";
  }
  return {};
}

/// As TrainingSettings::loss has it.
std::string loss_text(const TrainingOptions& training) {
  if (training.losses.empty()) return loss_name(training.loss);
  std::string text;
  for (const OutputLoss& loss : training.losses) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", loss.output, loss_name(loss.kind));
    if (loss.weight != 1) text += fmt::format(":{}", loss.weight);
  }
  return text;
}

}  // namespace

TrainingSettings settings_of(const Model& model, const PlanRequest& request) {
  TrainingSettings settings;
  settings.batch = model.batch;
  for (const ValueId id : model.graph.inputs) {
    const Value& value = model.graph.value(id);
    settings.inputs.push_back(
        {value.name, std::string(name_of(value.type.form.dtype)), value.type.shape});
  }
  const OptimizerOptions& optimizer = request.training.optimizer;
  settings.loss = loss_text(request.training);
  settings.optimizer = {optimizer_name(optimizer.kind),
                        request.learning_rate,
                        optimizer.momentum,
                        optimizer.dampening,
                        optimizer.nesterov,
                        optimizer.weight_decay,
                        optimizer.beta1,
                        optimizer.beta2,
                        optimizer.epsilon};
  settings.clip = request.training.clip;
  settings.accumulation = request.training.micro_batches;
  settings.loss_scale = request.loss_scale;
  settings.running_variance = request.training.unbiased_running_variance ? "pytorch" : "onnx";
  settings.seed = request.seed;
  settings.effort = request.effort;
  for (const Precision precision : request.restrictions.precisions) {
    settings.precisions.emplace_back(name_of(precision));
  }
  for (const Pin& pin : request.restrictions.pins) {
    settings.pins.push_back({pin.pattern, std::string(name_of(pin.precision))});
  }
  settings.fp8_edges = request.restrictions.fp8_edges;
  return settings;
}

namespace {

Profiled begin(Model model, const PlanRequest& request, const Backend& backend,
               const std::string& data) {
  Profiled profiled;
  profiled.model = std::move(model);
  profiled.synthetic = data == "synthetic";
  profiled.exclusions = restrict_to_device(profiled.model, request.training, backend);
  for (const Layer& layer : profiled.model.graph.layers)
    profiled.on_device.push_back(layer.allowed);
  restrict_to(request.restrictions, profiled.model.graph, profiled.exclusions);
  return profiled;
}

SensitivitySettings sensitivity_settings(const Profiled& profiled, const PlanRequest& request) {
  SensitivitySettings settings;
  settings.warmup_steps =
      warmup_steps(request.effort, training_graph(profiled.model, request.training));
  settings.learning_rate = request.learning_rate;
  settings.seed = request.seed;
  return settings;
}

SensitivityKey key_of_scores(const Profiled& profiled, const PlanRequest& request,
                             const std::string& data_hash, const SensitivitySettings& settings) {
  return {profiled.model, settings_of(profiled.model, request), data_hash, settings.warmup_steps,
          profiled.on_device};
}

/// From measurements to the problem and what FP32 needs.
void complete(Profiled& profiled, const PlanRequest& request, const Backend& backend) {
  exclude_out_of_range(profiled);
  profiled.step = training_graph(profiled.model, request.training);
  profiled.built =
      build_problem(profiled.step, profiled.speed, [&](LayerId layer, Precision precision) {
        return profiled.sensitivity.score(layer, precision);
      });
  const std::vector<Precision> full(profiled.model.graph.layers.size(), Precision::FP32);
  const Prepared fp32 = prepare(profiled.model, request.training, full, chooser(profiled, backend));
  profiled.fp32_peak_bytes = fp32.peak;
  profiled.fp32_step_ms =
      predicted_ms(fp32.training.lowered.graph, profiled.speed, profiled.step.micro_batches);
}

}  // namespace

Profiled profile_model(Model model, const PlanRequest& request, const Backend& backend,
                       const Dataset& data, const ProfileProgress& progress) {
  Profiled profiled = begin(std::move(model), request, backend, data.label);
  const ProfileCache cache(request.cache_dir);
  const std::vector<std::vector<Precision>> plans = uniform_plans(profiled.model.graph);
  profiled.speed = profile_speed(profiled.model, request.training, plans, backend,
                                 cache.speed(backend.identity()), progress);
  cache.store_speed(backend.identity(), profiled.speed);

  const SensitivitySettings settings = sensitivity_settings(profiled, request);
  const SensitivityKey key = key_of_scores(profiled, request, data.content_hash(), settings);
  if (std::optional<SensitivityProfile> known = cache.sensitivity(key)) {
    profiled.sensitivity = std::move(*known);
  } else {
    profiled.sensitivity =
        profile_sensitivity(profiled.model, single_batches(request.training), profiled.on_device,
                            data, settings, backend, profiled.speed.kernels, progress);
    cache.store_sensitivity(key, profiled.sensitivity);
  }
  complete(profiled, request, backend);
  return profiled;
}

std::optional<Profiled> profile_from_cache(Model model, const PlanRequest& request,
                                           const Backend& backend,
                                           const TrainingSettings& settings) {
  Profiled profiled = begin(std::move(model), request, backend, settings.data);
  const ProfileCache cache(request.cache_dir);
  profiled.speed = cache.speed(backend.identity());
  if (!is_profiled(profiled.model, request.training, uniform_plans(profiled.model.graph), backend,
                   profiled.speed)) {
    return std::nullopt;
  }
  std::optional<SensitivityProfile> known = cache.sensitivity(key_of_scores(
      profiled, request, settings.data_hash, sensitivity_settings(profiled, request)));
  if (!known) return std::nullopt;
  profiled.sensitivity = std::move(*known);
  complete(profiled, request, backend);
  return profiled;
}

Plan describe_plan(const Profiled& profiled, const PlanRequest& request, const Backend& backend,
                   std::span<const Precision> precision) {
  const TrainingOptions options = scaled_options(request.training, request.loss_scale, precision);
  const Prepared prepared = prepare(profiled.model, options, precision, chooser(profiled, backend));
  const Graph& lowered = prepared.training.lowered.graph;
  Plan plan;
  plan.tool_version = kToolVersion;
  plan.model = {profiled.model.name, profiled.model.sha256};
  plan.device = backend.identity();
  plan.settings = settings_of(profiled.model, request);
  plan.objective_name = request.objective == Objective::Ms ? "speed" : "quality";
  plan.max_time_ratio = request.max_time_ratio;
  plan.max_sensitivity = request.max_sensitivity;
  plan.budget_bytes = prepared.peak;
  plan.peak_bytes = prepared.peak;
  plan.fp32_peak_bytes = profiled.fp32_peak_bytes;
  NodeId event = kNone;
  const PeakParts parts = parts_at_peak(lowered, prepared.training.memory, &event);
  plan.peak_parts = {parts.parameters,  parts.state,     parts.copies, parts.gradients,
                     parts.activations, parts.workspace, parts.inputs};
  plan.weight_state_bytes = parts.weight_state();
  plan.step_ms = predicted_ms(lowered, profiled.speed, profiled.step.micro_batches);
  plan.step_ms_spread = spread_of(profiled, lowered);
  plan.fp32_step_ms = profiled.fp32_step_ms;
  plan.status = "feasible";
  describe_layers(profiled, prepared.training, event, precision, plan);
  plan.objective = request.objective == Objective::Ms ? plan.step_ms : plan.sensitivity;
  describe_casts(profiled, lowered, plan);
  describe_kernels(prepared, plan);
  for (std::size_t i = 0; i < lowered.nodes.size(); ++i) {
    if (lowered.nodes[i].op->view) continue;
    plan.timeline.push_back({prepared.training.lowered.event_of[i], lowered.nodes[i].name,
                             prepared.training.memory.timeline[i]});
  }
  plan.notes = notes_of(profiled);
  plan.decisions_sha256 = decisions_of(plan);
  return plan;
}

namespace {

PairedCheck measured_check(const Profiled& profiled, const PlanRequest& request,
                           std::span<const Precision> precision, const Backend& backend,
                           const Dataset& data, const ProfileProgress& progress) {
  const std::vector<Precision> full(precision.size(), Precision::FP32);
  const auto session_of = [&](std::span<const Precision> chosen) {
    return Session(
        prepare(profiled.model,
                scaled_options(single_batches(request.training), request.loss_scale, chosen),
                chosen, chooser(profiled, backend)),
        backend);
  };
  Session low = session_of(precision);
  Session reference = session_of(full);
  const BatchOrder order{data.samples(), batch_of(low), request.seed, true};
  const auto loss_of = [&](Session& session, std::int64_t attempt) {
    stage_batch(session, data, order.samples_of(attempt));
    session.step({request.seed, static_cast<std::uint64_t>(attempt),
                  static_cast<float>(request.learning_rate)});
    return static_cast<double>(session.training_result().loss);
  };
  std::vector<double> differences;
  for (std::int64_t attempt = 0; attempt < request.paired_steps; ++attempt) {
    if (progress) progress(static_cast<int>(attempt), request.paired_steps, "paired check");
    differences.push_back(loss_of(low, attempt) - loss_of(reference, attempt));
  }
  if (progress) progress(request.paired_steps, request.paired_steps, "paired check");
  const auto n = static_cast<double>(differences.size());
  double mean = 0;
  for (const double difference : differences) mean += difference / n;
  double squares = 0;
  for (const double difference : differences) squares += (difference - mean) * (difference - mean);
  const double half_width = 1.96 * std::sqrt(squares / std::max(1.0, n - 1) / n);
  return {mean, mean - half_width, mean + half_width, request.paired_steps};
}

}  // namespace

PairedCheck paired_check(const Profiled& profiled, const PlanRequest& request, const Plan& plan,
                         const Backend& backend, const Dataset& data,
                         const ProfileProgress& progress) {
  const ProfileCache cache(request.cache_dir);
  const SensitivityKey key = key_of_scores(profiled, request, data.content_hash(),
                                           sensitivity_settings(profiled, request));
  if (const auto known = cache.paired(key, plan, request.paired_steps)) return *known;
  const PairedCheck check = measured_check(profiled, request, precision_of(plan, profiled.model),
                                           backend, data, progress);
  cache.store_paired(key, plan, check);
  return check;
}

}  // namespace mpsearch
