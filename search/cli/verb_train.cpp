#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/onnx/export.h"
#include "runtime/snapshot.h"
#include "search/cli/departures.h"
#include "search/cli/exit_code.h"
#include "search/cli/no_plan.h"
#include "search/cli/output.h"
#include "search/cli/paths.h"
#include "search/cli/plan_request.h"
#include "search/cli/plan_setup.h"
#include "search/cli/plan_text.h"
#include "search/cli/profile_bar.h"
#include "search/cli/recipe.h"
#include "search/cli/run_settings.h"
#include "search/cli/run_setup.h"
#include "search/cli/shell_word.h"
#include "search/cli/signals.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/train_run.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

constexpr const char* kCheckpointFile = "checkpoint.mpsearch";

/// With --budget and no plan: plans first, as `plan` would.
void plan_first(RunSetup& setup, const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  add_search_options(options, setup.request);
  Planned planned = plan_setup(setup, options, console);
  PlanAnswer& answer = planned.answer;
  require_plan(answer, planned.profiled, setup, command_without(invocation, "budget"), console);
  complete_settings(setup, answer.plan.settings);
  console.note(plan_text(answer.plan, console.width()));
  setup.plan = std::move(answer.plan);
}

std::int64_t trainable_elements(const Graph& graph) {
  std::int64_t count = 0;
  for (const Value& value : graph.values) {
    if (value.kind == ValueKind::Parameter) count += value.type.elements();
  }
  return count;
}

void print_start(const RunSetup& setup, const Choice& choice, const Prepared& prepared,
                 const TrainSettings& settings, Console& console) {
  const DeviceIdentity device = setup.backend->identity();
  console.note(fmt::format("model      {}: {} layers, {} trainable parameters", setup.path,
                           setup.model.graph.layers.size(), trainable_elements(setup.model.graph)));
  console.note(fmt::format("precision  {} ({})", count_precisions(choice.precision), choice.name));
  for (const std::string& note : choice.notes) console.note("           " + note);
  console.note(fmt::format("loss       {} ({})", setup.settings.loss, setup.loss_reason));
  console.note(fmt::format("optimizer  {}", describe_optimizer(setup.settings.optimizer)));
  const std::int64_t micro_batches = setup.settings.accumulation;
  const std::string accumulated =
      micro_batches > 1 ? fmt::format(", {} accumulated a step", micro_batches) : "";
  console.note(fmt::format(
      "data       {}: {} samples, {} to evaluate, batch {}{}, {} steps", setup.data().label,
      setup.data().samples(), setup.evaluation ? setup.evaluation->samples() : 0, setup.model.batch,
      accumulated, total_attempts(settings, setup.data(), setup.model.batch * micro_batches)));
  console.note(fmt::format("device     {}, {} threads, seed {}", device.name, device.threads,
                           settings.seed));
  std::string memory = fmt::format("memory     peak {}", format_bytes(prepared.peak));
  if (choice.budget_bytes > 0) {
    memory += fmt::format(" of the budget's {}", format_bytes(choice.budget_bytes));
  }
  if (choice.planned_bytes > 0 && choice.planned_bytes != prepared.peak) {
    memory += fmt::format(" (planned with other flags: {})", format_bytes(choice.planned_bytes));
  }
  console.note(memory);
}

nlohmann::ordered_json json_of(const RunResult& result, bool losses) {
  const TrainOutcome& outcome = result.outcome;
  const Metric metric = metric_of(outcome);
  nlohmann::ordered_json out;
  out["steps"] = outcome.attempts;
  out["epochs"] = outcome.epochs;
  out["loss"] = outcome.loss;
  out["metric"] = {{"name", metric.name}, {"value", metric.value}};
  out["step_ms"] = outcome.step_ms;
  out["samples_per_s"] = outcome.samples_per_s;
  out["peak_bytes"] = result.measured_peak;
  out["predicted_peak_bytes"] = result.predicted_peak;
  out["skipped_steps"] = outcome.state.skipped_total;
  out["loss_scale"] = outcome.state.loss_scale;
  if (losses) out["losses"] = result.losses;
  return out;
}

std::vector<std::string> row_of(const std::string& name, const RunResult& result) {
  const Metric metric = metric_of(result.outcome);
  std::vector<std::string> row{name, fmt::format("{:.4f}", result.outcome.loss)};
  if (metric.name != kTrainingLoss) {
    row.push_back(text_of(metric));
  }
  row.insert(row.end(), {fmt::format("{:.3f} ms", result.outcome.step_ms),
                         fmt::format("{:.0f}", result.outcome.samples_per_s),
                         format_bytes(result.measured_peak),
                         std::to_string(result.outcome.state.skipped_total)});
  return row;
}

std::vector<std::string> ratios_of(const RunResult& result, const RunResult& twin) {
  const auto ratio = [](double a, double b) { return fmt::format("{:.2f}x", b > 0 ? a / b : 0); };
  const Metric metric = metric_of(result.outcome);
  std::vector<std::string> row{"ratio", ratio(result.outcome.loss, twin.outcome.loss)};
  if (metric.name != kTrainingLoss) {
    row.push_back(ratio(metric.value, metric_of(twin.outcome).value));
  }
  row.insert(row.end(), {ratio(result.outcome.step_ms, twin.outcome.step_ms),
                         ratio(result.outcome.samples_per_s, twin.outcome.samples_per_s),
                         ratio(static_cast<double>(result.measured_peak),
                               static_cast<double>(twin.measured_peak))});
  return row;
}

std::string text_of(const RunResult& result, const std::optional<RunResult>& twin,
                    const std::string& name) {
  std::vector<std::vector<std::string>> rows{row_of(name, result)};
  if (twin) {
    rows.push_back(row_of("fp32", *twin));
    rows.push_back(ratios_of(result, *twin));
  }
  std::vector<Column> columns{{"run"}, {kTrainingLoss, Align::Right}};
  const Metric metric = metric_of(result.outcome);
  if (metric.name != kTrainingLoss) columns.push_back({metric.name, Align::Right});
  for (const char* name : {"step", "samples/s", "peak", "skipped"}) {
    columns.push_back({name, Align::Right});
  }
  return table_text(columns, rows, 0);
}

/// SHA-256 of the file that the plans of this model name.
std::string original_of(const Model& model) {
  const auto origin = model.metadata.find("mpsearch.trained_from");
  return origin == model.metadata.end() ? model.sha256 : origin->second;
}

/// What eval has to know of the data that the model was trained on.
FileMetadata metadata_of(const RunSetup& setup, const Choice& choice) {
  FileMetadata metadata{{"mpsearch.trained_from", original_of(setup.model)},
                        {"mpsearch.trained_with", choice.name},
                        {"mpsearch.loss", setup.settings.loss}};
  const Normalization& applied = setup.data().inputs.at(0).normalization();
  if (!applied.mean.empty())
    metadata["mpsearch.mean"] = fmt::format("{}", fmt::join(applied.mean, ","));
  if (!applied.std.empty())
    metadata["mpsearch.std"] = fmt::format("{}", fmt::join(applied.std, ","));
  metadata["mpsearch.divided_by_255"] = applied.divide_by_255 ? "true" : "false";
  return metadata;
}

void write_trained(const Session& session, const RunSetup& setup, const Choice& choice,
                   const std::string& output) {
  TrainedValues values;
  for (const Value& value : setup.model.graph.values) {
    if (value.kind != ValueKind::Parameter && value.kind != ValueKind::State) continue;
    const Bytes bytes = session.read(value.name);
    std::vector<float>& floats = values[value.name];
    floats.resize(bytes.size() / sizeof(float));
    std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  }
  add_tied(values, setup.model);
  export_trained(setup.path, values, metadata_of(setup, choice), output);
}

std::string default_output(const std::string& model) {
  return std::filesystem::path(model).stem().string() + "-trained.onnx";
}

void require_checkpoint(const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) return;
  throw Error(ErrorKind::Missing, {.what = "there is no checkpoint to resume from",
                                   .at = file,
                                   .why = "--resume names a folder that --checkpoint wrote",
                                   .try_ = did_you_mean_file(file)});
}

/// "net.onnx" with another ending; beside a device (/dev/null) in the working folder.
std::string beside(const std::string& output, const char* ending) {
  std::filesystem::path path(output);
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    path = path.filename();
  }
  return path.replace_extension(ending).string();
}

RunFiles files_of(const Invocation& invocation, const std::string& output) {
  const Options& options = invocation.options;
  RunFiles files;
  files.log = output_path(invocation, "run-log", beside(output, ".run.ndjson"));
  std::string folder = options.text("checkpoint");
  if (options.given("resume")) {
    files.resume = (std::filesystem::path(options.text("resume")) / kCheckpointFile).string();
    require_checkpoint(files.resume);
    if (folder.empty()) folder = options.text("resume");
  }
  if (!folder.empty()) {
    require_folder("--checkpoint", folder);
    files.checkpoint = (std::filesystem::path(folder) / kCheckpointFile).string();
  }
  files.every = options.integer("checkpoint-every");
  if (files.every > 0 && files.checkpoint.empty()) {
    throw Error(ErrorKind::Usage, {.what = "--checkpoint-every needs a place to write to",
                                   .at = {},
                                   .why = "neither --checkpoint nor --resume names a folder",
                                   .try_ = "--checkpoint DIR"});
  }
  const std::filesystem::path rescue(beside(output, ".checkpoint"));
  files.rescue = (rescue / kCheckpointFile).string();
  return files;
}

std::string resume_command(const Invocation& invocation, const std::string& folder) {
  return command_without(invocation, "resume") + " --resume " + shell_word(folder);
}

[[noreturn]] void throw_interrupted(const Invocation& invocation, const RunFiles& files,
                                    std::int64_t attempts) {
  const std::string& kept = files.checkpoint.empty() ? files.rescue : files.checkpoint;
  const std::filesystem::path folder = std::filesystem::path(kept).parent_path();
  throw Error(ErrorKind::Interrupted, {.what = fmt::format("interrupted after step {}", attempts),
                                       .at = {},
                                       .why = fmt::format("everything is kept in {}", kept),
                                       .try_ = resume_command(invocation, folder.string())});
}

/// Refuses before training what the disk could not take after it.
void check_space(const RunSetup& setup, const Prepared& prepared, const std::string& output,
                 const RunFiles& files) {
  std::vector<PlannedFile> planned{{"the trained model", output, stored_bytes(setup.path)}};
  if (!files.checkpoint.empty()) {
    // While a later one is written, the one before it is still there.
    const std::int64_t bytes = snapshot_bytes(prepared.training.lowered.graph);
    planned.push_back({"the checkpoint", files.checkpoint, 2 * bytes});
  }
  require_space(planned);
}

/// The checkpoint of a run whose model could not be saved, in the first folder that takes it; empty
/// where none does.
std::string rescue_run(const Session& session, const RunSetup& setup, const TrainSettings& settings,
                       const RunFiles& files, const RunResult& result) {
  namespace fs = std::filesystem;
  if (!files.checkpoint.empty()) return files.checkpoint;  // written after the last epoch
  const fs::path folder = fs::path(files.rescue).parent_path().filename();
  std::error_code ignored;
  for (const fs::path& place :
       {fs::path(files.rescue).parent_path(), folder, fs::temp_directory_path(ignored) / folder}) {
    const std::string path = (place / kCheckpointFile).string();
    try {
      keep_run(setup, session, settings, files, result.progress, result.metrics, path);
      return path;
    } catch (const std::exception&) {
      // The next place; the first failure is the one that the user is told of.
      fs::remove(place, ignored);
    }
  }
  return {};
}

/// Where the trained model cannot be saved, the training is kept all the same.
void save_trained(const Invocation& invocation, const Session& session, const RunSetup& setup,
                  const Choice& choice, const TrainSettings& settings, const std::string& output,
                  const RunFiles& files, const RunResult& result) {
  try {
    write_trained(session, setup, choice, output);
  } catch (const Error& error) {
    const std::string kept = rescue_run(session, setup, settings, files, result);
    ErrorText text = error.text();
    if (kept.empty()) {
      text.why += "; no folder took a checkpoint either";
      throw Error(error.kind(), std::move(text));
    }
    const std::string folder = std::filesystem::path(kept).parent_path().string();
    text.why += fmt::format("; the training is kept in {}", kept);
    text.try_ = fmt::format("free space, or give another -o; then this writes the model: {}",
                            resume_command(invocation, folder));
    throw Error(error.kind(), std::move(text));
  }
}

/// The same run in FP32; nothing where it was interrupted.
std::optional<RunResult> train_twin(RunSetup& setup, const TrainSettings& settings,
                                    Console& console) {
  const Choice fp32 = policy_choice(setup, "fp32", console);
  Session session(prepare_choice(setup, fp32), *setup.backend);
  RunResult twin = run_training(setup, fp32, session, settings, {}, console);
  if (!twin.outcome.stopped) return twin;
  console.warn("the FP32 twin was interrupted: no comparison");
  return std::nullopt;
}

int run(const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  const bool plans = options.given("budget") && !options.given("plan");
  const std::string output =
      output_path(invocation, "output", default_output(invocation.arguments[0]));
  RunFiles files = files_of(invocation, output);
  RunSetup setup = set_up(invocation.arguments[0], options, console, /*auto_batch=*/plans);
  require_enough_samples(setup, options);
  warn_of_synthetic(setup, options, console);
  if (options.given("budget") && !setup.plan) plan_first(setup, invocation, console);
  if (setup.plan) files.plan_json = plan_to_json(*setup.plan);
  const Choice choice = choose(setup, options, console);
  const TrainSettings settings = train_settings(options, setup.settings);
  Prepared prepared = prepare_choice(setup, choice);
  print_start(setup, choice, prepared, settings, console);
  check_space(setup, prepared, output, files);
  Session session(std::move(prepared), *setup.backend);
  if (!options.flag("compare-fp32")) setup.model.graph.drop_contents();
  const RunResult result = run_training(setup, choice, session, settings, files, console);
  if (result.outcome.stopped) throw_interrupted(invocation, files, result.outcome.attempts);
  save_trained(invocation, session, setup, choice, settings, output, files, result);

  std::optional<RunResult> twin;
  if (options.flag("compare-fp32")) twin = train_twin(setup, settings, console);
  if (console.json()) {
    nlohmann::ordered_json out = json_of(result, options.flag("log-losses"));
    out["model"] = output;
    out["run_log"] = files.log;
    out["data"] = setup.data().label;
    out["synthetic"] = setup.data().label == "synthetic";
    out["departures"] = departures(setup);
    out["edited"] = setup.plan && edited(*setup.plan);
    if (twin) out["fp32"] = json_of(*twin, false);
    print_json(console, out);
  } else {
    console.print(text_of(result, twin, choice.name));
    console.print(fmt::format("\nmodel    {}\nrun log  {}\n", output, files.log));
    if (setup.data().label == "synthetic") {
      console.print(fmt::format("note     {}\n", kMadeUpData));
    }
  }
  return stop_requested() ? exit_code(ErrorKind::Interrupted) : kExitOk;
}

}  // namespace

Verb train_verb() {
  return {.name = "train",
          .summary = "train a network, by a plan or in one precision, and write it back",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"train lenet.onnx --plan plan.json --data fashion-mnist/ --epochs 5",
                       "train lenet.onnx --precision bf16 --data fashion-mnist/ --lr 3e-3",
                       "train lenet.onnx --budget 80% --data fashion-mnist/ --compare-fp32"},
          .run = run};
}

}  // namespace mpsearch
