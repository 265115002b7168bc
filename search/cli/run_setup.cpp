#include "search/cli/run_setup.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/error.h"
#include "models/onnx/import.h"
#include "search/cli/departures.h"
#include "search/cli/paths.h"
#include "search/cli/plan_request.h"
#include "search/cli/profile_bar.h"
#include "search/cli/run_data.h"
#include "search/cli/run_settings.h"
#include "search/cli/shell_word.h"
#include "search/cli/size.h"
#include "search/profile_cache.h"

namespace mpsearch {
namespace {

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
  warn_of_departures(setup, options, console);
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

void warn_of_synthetic(const RunSetup& setup, const Options& options, Console& console,
                       const char* meaning) {
  if (setup.data().label != "synthetic" || options.has("data")) return;
  console.warn(fmt::format("no --data: {}", meaning));
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
    const std::vector<std::string> changed = departures(setup);
    throw Error(ErrorKind::GoalNotMet,
                {.what = "the run would exceed its budget",
                 .at = choice.name,
                 .why = fmt::format(
                     "with {} its peak is {} ({} bytes), the budget {} ({} bytes)",
                     changed.empty() ? "these flags" : fmt::format("{}", fmt::join(changed, "; ")),
                     format_bytes(prepared.peak), prepared.peak, format_bytes(choice.budget_bytes),
                     choice.budget_bytes),
                 .try_ = fmt::format("mpsearch {} --batch {} --budget {}B makes a plan for them",
                                     setup.path, setup.model.batch, choice.budget_bytes)});
  }
  return prepared;
}

void complete_settings(const RunSetup& setup, TrainingSettings& settings) {
  settings.data = setup.settings.data;
  settings.data_hash = setup.settings.data_hash;
  settings.freeze = setup.settings.freeze;
  settings.train = setup.settings.train;
}

Profile document_of(const RunSetup& setup, const Profiled& profiled) {
  Profile profile = stored_profile(profiled, setup.request, *setup.backend);
  complete_settings(setup, profile.settings);
  return profile;
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
