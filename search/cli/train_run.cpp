#include "search/cli/train_run.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "kernels/error.h"
#include "models/stored/sha256.h"
#include "runtime/checkpoint.h"
#include "runtime/run_log.h"
#include "runtime/snapshot.h"
#include "search/cli/progress.h"
#include "search/cli/signals.h"
#include "search/profile_cache.h"

namespace mpsearch {
namespace {

constexpr const char* kOptimizer = "optimizer";

/// As a checkpoint counts it: sgd, adam, adamw.
std::uint64_t optimizer_of(const RunSetup& setup) {
  return static_cast<std::uint64_t>(setup.request.training.optimizer.kind);
}

RunHeader header_of(const RunSetup& setup, const Choice& choice, const RunFiles& files,
                    std::int64_t predicted_peak) {
  RunHeader header;
  header.tool_version = kToolVersion;
  header.model = {setup.model.name, setup.model.sha256};
  header.device = setup.backend->identity();
  if (!files.plan_json.empty()) header.plan_sha256 = sha256_of(files.plan_json);
  for (const Precision precision : kPrecisions) {
    const auto count = std::ranges::count(choice.precision, precision);
    if (count > 0) header.precisions.push_back({precision, count});
  }
  header.settings = setup.settings;
  header.predicted_peak_bytes = predicted_peak;
  if (setup.plan) header.predicted_step_ms = setup.plan->step_ms;
  const std::vector<OutputLoss> losses = losses_of(setup.model, setup.request.training);
  const bool classes = std::ranges::any_of(
      losses, [](const OutputLoss& loss) { return loss.kind != LossKind::MeanSquaredError; });
  header.metric = classes ? "accuracy" : "loss";
  return header;
}

/// Name of the parameter whose gradient overflowed first, and of its layer.
std::pair<std::string, std::string> culprit(const Session& session, int first_bad) {
  if (first_bad < 0) return {"loss", "loss"};
  const StepGraph& step = session.prepared().training.step;
  const ValueId parameter = step.trained[static_cast<std::size_t>(first_bad)];
  const std::string name = step.graph.value(parameter).name;
  for (const Node& node : step.graph.nodes) {
    for (const ValueId input : node.inputs) {
      if (step.graph.root(input) == parameter && node.layer != kNone) {
        return {step.graph.layers[static_cast<std::size_t>(node.layer)].name, name};
      }
    }
  }
  return {{}, name};
}

class Recorder {
 public:
  Recorder(const RunSetup& setup, Session& session, const TrainSettings& settings,
           const RunFiles& files, Console& console)
      : setup_(setup), session_(session), settings_(settings), files_(files), console_(console) {}

  /// Goes on with the log and metrics of a run of which `attempts` steps are done.
  void start(const RunHeader& header, std::int64_t attempts, std::vector<MetricPoint> metrics) {
    metrics_ = std::move(metrics);
    if (files_.log.empty()) return;
    log_.emplace(files_.log, header, attempts > 0 ? std::optional(attempts) : std::nullopt);
  }

  void step(const StepReport& report) {
    const bool skipped = report.state.overflow != 0;
    RunStep line;
    line.step = report.attempt + 1;
    line.epoch = report.epoch;
    line.loss = report.result.loss;
    line.learning_rate = report.state.learning_rate;
    line.loss_scale = report.state.loss_scale;
    line.skipped = skipped;
    line.gradient_norm = report.state.norm;
    line.ms = report.ms;
    if (skipped) {
      const auto [layer, tensor] = culprit(session_, report.state.first_bad);
      line.overflow_layer = layer;
      line.overflow_tensor = tensor;
      console_.note(
          fmt::format("step {} skipped: gradient of '{}' (layer {}) is not finite; loss "
                      "scale now {}",
                      line.step, tensor, layer, report.state.loss_scale));
    }
    if (log_) log_->write(line);
  }

  void epoch(const EpochReport& report, std::int64_t attempts) {
    const EvaluationResult& found = report.evaluation;
    std::string text =
        fmt::format("epoch {}  training loss {:.4f}", report.epoch + 1, report.training_loss);
    if (found.samples > 0) {
      const Metric metric = metric_of(found);
      text += fmt::format("  test loss {:.4f}", found.loss);
      if (found.has_accuracy) text += fmt::format("  test accuracy {:.2f} %", 100 * metric.value);
      if (log_) {
        RunEpoch line;
        line.epoch = report.epoch;
        line.step = attempts;
        line.metric = metric.name;
        line.loss = found.loss;
        line.value = metric.value;
        line.samples = found.samples;
        log_->write(line);
      }
      metrics_.push_back({attempts, report.epoch, metric.name, metric.value, found.loss});
    }
    console_.note(text);
  }

  void checkpoint(const TrainProgress& progress, const std::string& path) {
    if (path.empty()) return;
    keep_run(setup_, session_, settings_, files_, progress, metrics_, path);
  }

  const std::vector<MetricPoint>& metrics() const { return metrics_; }

  void end(const RunResult& result, const std::string& reason) {
    if (!log_) return;
    RunEnd line;
    line.reason = reason;
    line.steps = result.outcome.attempts;
    line.skipped_steps = result.outcome.state.skipped_total;
    line.peak_bytes = result.measured_peak;
    line.step_ms = result.outcome.step_ms;
    line.samples_per_s = result.outcome.samples_per_s;
    log_->write(line);
  }

 private:
  const RunSetup& setup_;
  Session& session_;
  const TrainSettings& settings_;
  const RunFiles& files_;
  Console& console_;
  std::optional<RunLogWriter> log_;
  std::vector<MetricPoint> metrics_;
};

/// Restores the session from the checkpoint; where the run stands.
TrainProgress resume(Session& session, const RunSetup& setup, const TrainSettings& settings,
                     const RunFiles& files, const CheckpointData& data) {
  const auto refuse = [&](std::string why, std::string try_) {
    throw Error(ErrorKind::BadContent, {.what = "the checkpoint is of another run",
                                        .at = files.resume,
                                        .why = std::move(why),
                                        .try_ = std::move(try_)});
  };
  if (data.model.sha256 != setup.model.sha256) {
    refuse(fmt::format("its model {} has SHA-256 {:.12}..., this file {:.12}...", data.model.name,
                       data.model.sha256, setup.model.sha256),
           "the model that the run began with");
  }
  const auto check = [&](const char* counter, std::uint64_t now, const std::string& what,
                         const std::string& flag) {
    const std::uint64_t then = data.counter(counter);
    if (then == now) return;
    refuse(fmt::format("{}: checkpoint {}, asked for {}", what, then, now),
           flag.empty() ? "the data of the run that wrote it" : fmt::format("{} {}", flag, then));
  };
  check("batch", static_cast<std::uint64_t>(batch_of(session)), "batch", "--batch");
  check("accumulate", static_cast<std::uint64_t>(session.micro_batches()), "accumulated batches",
        "--accumulate");
  check("samples", static_cast<std::uint64_t>(setup.data().samples()), "samples of the data", "");
  const auto optimizer = std::ranges::find(data.counters, kOptimizer, &NamedCounter::name);
  if (optimizer != data.counters.end() && optimizer->value != optimizer_of(setup)) {
    refuse("its optimizer is another", "--optimizer as in the run that wrote it");
  }
  return restore_snapshot(session, data, settings.seed, files.plan_json);
}

/// What the live line shows of a step.
std::string facts_of(const StepReport& report, std::int64_t samples) {
  std::string facts = fmt::format("loss {:.4f}  {:.2f} ms  {:.0f} samples/s", report.result.loss,
                                  report.ms, 1000.0 * static_cast<double>(samples) / report.ms);
  if (report.state.loss_scale != 1) {
    facts +=
        fmt::format("  scale {}  skipped {}", report.state.loss_scale, report.state.skipped_total);
  }
  return facts;
}

}  // namespace

Metric metric_of(const EvaluationResult& result) {
  return result.has_accuracy ? Metric{"accuracy", result.accuracy} : Metric{"loss", result.loss};
}

Metric metric_of(const TrainOutcome& outcome) {
  if (outcome.evaluation.samples > 0) return metric_of(outcome.evaluation);
  return {kTrainingLoss, outcome.loss};
}

std::string text_of(const Metric& metric) {
  return metric.name == "accuracy" ? fmt::format("{:.2f} %", 100 * metric.value)
                                   : fmt::format("{:.4f}", metric.value);
}

void keep_run(const RunSetup& setup, const Session& session, const TrainSettings& settings,
              const RunFiles& files, const TrainProgress& progress,
              const std::vector<MetricPoint>& metrics, const std::string& path) {
  Snapshot snapshot = take_snapshot(session, progress, settings.seed, files.plan_json);
  CheckpointData& data = snapshot.data;
  data.tool_version = kToolVersion;
  data.model = {setup.model.name, setup.model.sha256};
  data.counters.push_back({"batch", static_cast<std::uint64_t>(batch_of(session))});
  data.counters.push_back({"accumulate", static_cast<std::uint64_t>(session.micro_batches())});
  data.counters.push_back({"samples", static_cast<std::uint64_t>(setup.data().samples())});
  data.counters.push_back({kOptimizer, optimizer_of(setup)});
  data.metrics = metrics;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  write_checkpoint(path, data);
}

RunResult run_training(const RunSetup& setup, const Choice& choice, Session& session,
                       const TrainSettings& settings, const RunFiles& files, Console& console) {
  RunResult result;
  result.predicted_peak = session.prepared().peak;
  const RunHeader header = header_of(setup, choice, files, result.predicted_peak);
  Recorder recorder(setup, session, settings, files, console);
  TrainProgress done;
  if (files.resume.empty()) {
    recorder.start(header, 0, {});
  } else {
    const CheckpointData kept = read_checkpoint(files.resume);
    done = resume(session, setup, settings, files, kept);
    recorder.start(header, done.attempts, kept.metrics);
    console.note(fmt::format("resumed    {} after step {}", files.resume, done.attempts));
  }
  const std::int64_t samples = batch_of(session) * session.micro_batches();
  const std::int64_t total = total_attempts(settings, setup.data(), samples);
  if (done.attempts >= total) {
    console.warn(fmt::format("nothing is left to train: {} steps are done, {} were asked for",
                             done.attempts, total));
  }
  Progress progress(console, "train " + choice.name, total);
  TrainCallbacks callbacks;
  callbacks.after_step = [&](const StepReport& report, const TrainProgress& now) {
    done = now;
    result.losses.push_back(report.result.loss);
    recorder.step(report);
    progress.update(now.attempts, facts_of(report, samples));
    // At an epoch's end the checkpoint waits for the evaluation.
    if (files.every > 0 && now.attempts % files.every == 0 && !report.ends_epoch) {
      recorder.checkpoint(now, files.checkpoint);
    }
    return !stop_requested();
  };
  callbacks.after_epoch = [&](const EpochReport& report, const TrainProgress& now) {
    done = now;
    recorder.epoch(report, now.attempts);
    recorder.checkpoint(now, files.checkpoint);
  };
  const Dataset* const evaluation = setup.evaluation ? &*setup.evaluation : nullptr;
  result.outcome = train(session, setup.data(), evaluation, settings, callbacks, done);
  result.measured_peak = session.measured_peak();
  result.progress = done;
  result.metrics = recorder.metrics();
  if (result.outcome.stopped) {
    recorder.checkpoint(done, files.checkpoint.empty() ? files.rescue : files.checkpoint);
  }
  recorder.end(result, result.outcome.stopped  ? "interrupted"
                       : done.attempts < total ? "early stop"
                                               : "finished");
  return result;
}

}  // namespace mpsearch
