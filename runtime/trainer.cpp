#include "runtime/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "kernels/error.h"
#include "runtime/shuffle.h"

namespace mpsearch {
namespace {

constexpr int kOverflowsInARow = 20;

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

/// "2^-3: 12, 2^0: 40, inf: 3" over the elements of a gradient, zeros left out.
std::string exponent_histogram(const Bytes& content) {
  std::map<int, std::int64_t> counts;
  std::int64_t infinite = 0;
  std::int64_t nan = 0;
  for (std::size_t at = 0; at + sizeof(float) <= content.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, content.data() + at, sizeof value);
    if (std::isnan(value)) {
      ++nan;
    } else if (std::isinf(value)) {
      ++infinite;
    } else if (value != 0) {
      ++counts[std::ilogb(value) / 8 * 8];
    }
  }
  std::string text;
  for (const auto& [exponent, count] : counts) {
    text += "2^" + std::to_string(exponent) + "..: " + std::to_string(count) + ", ";
  }
  return text + "inf: " + std::to_string(infinite) + ", nan: " + std::to_string(nan);
}

[[noreturn]] void throw_overflow(const Session& session, const StepReport& report) {
  const PreparedGraph& training = session.prepared().training;
  const StepState& state = report.state;
  ErrorText text{.what = std::to_string(kOverflowsInARow) + " overflows in a row: training stopped",
                 .at = "step " + std::to_string(report.attempt + 1),
                 .why = "the loss itself is not finite",
                 .try_ = "--lr with a smaller value, or --pin 'LAYER=fp32' for the layer named"};
  if (state.first_bad >= 0) {
    const auto index = static_cast<std::size_t>(state.first_bad);
    const Value& parameter = training.step.graph.value(training.step.trained[index]);
    const ValueId gradient = training.lowered_value(training.step.gradients[index]);
    text.at += ", gradient of '" + parameter.name + "'";
    text.why = "its exponents: " + exponent_histogram(session.read_value(gradient));
  }
  throw Error(ErrorKind::GoalNotMet, std::move(text));
}

void add_step(TrainProgress& progress, const StepReport& report) {
  progress.attempts = report.attempt + 1;
  if (report.state.overflow == 0) {
    progress.epoch_loss += report.result.loss;
    ++progress.epoch_steps;
  }
  progress.loss = progress.epoch_steps == 0
                      ? 0
                      : progress.epoch_loss / static_cast<double>(progress.epoch_steps);
}

void add_epoch(TrainProgress& progress, const EvaluationResult& evaluation) {
  progress.evaluation = evaluation;
  progress.epoch_loss = 0;
  progress.epoch_steps = 0;
  const bool gained = evaluation.loss < progress.best_loss;
  progress.best_loss = std::min(progress.best_loss, evaluation.loss);
  progress.epochs_without_gain = gained ? 0 : progress.epochs_without_gain + 1;
}

/// Whether every loss has classes: its targets can then be ignored one by one.
bool only_classes(const Session& session) {
  for (std::size_t i = 0; i < session.targets(); ++i) {
    if (session.target_type(i).form.dtype != DType::I64) return false;
  }
  return true;
}

/// Marks the staged targets of the samples from `valid` on.
void ignore_targets(Session& session, std::int64_t valid, std::int64_t batch) {
  for (std::size_t i = 0; i < session.targets(); ++i) {
    const std::span<std::byte> target = session.target(i);
    const std::size_t sample_bytes = target.size() / static_cast<std::size_t>(batch);
    for (std::size_t at = static_cast<std::size_t>(valid) * sample_bytes; at < target.size();
         at += sizeof kIgnoredLabel) {
      std::memcpy(target.data() + at, &kIgnoredLabel, sizeof kIgnoredLabel);
    }
  }
}

}  // namespace

std::int64_t batch_of(const Session& session) { return session.input_type(0).shape.at(0); }

void stage_batch(Session& session, const Dataset& data, std::span<const std::int64_t> samples) {
  for (std::size_t i = 0; i < data.inputs.size(); ++i) {
    data.inputs[i].write(samples, session.input_type(i).form.dtype, session.input(i).data());
  }
  for (std::size_t i = 0; i < data.targets.size(); ++i) {
    data.targets[i].write(samples, session.target_type(i).form.dtype, session.target(i).data());
  }
}

std::int64_t total_attempts(const TrainSettings& settings, const Dataset& data,
                            std::int64_t samples) {
  if (settings.steps > 0) return settings.steps;
  const BatchOrder order{data.samples(), samples, settings.seed, settings.shuffle};
  return settings.epochs * order.steps_per_epoch();
}

EvaluationResult evaluate(Session& session, const Dataset& data, const AfterBatch& go_on) {
  const std::int64_t batch = batch_of(session);
  const bool classes = only_classes(session);
  EvaluationResult result;
  double loss = 0;
  double correct = 0;
  double weight = 0;
  for (std::int64_t first = 0; first < data.samples(); first += batch) {
    const std::int64_t valid = std::min(batch, data.samples() - first);
    if (valid < batch && !classes) break;
    std::vector<std::int64_t> samples(static_cast<std::size_t>(batch));
    for (std::int64_t i = 0; i < batch; ++i) {
      samples[static_cast<std::size_t>(i)] = first + std::min(i, valid - 1);
    }
    stage_batch(session, data, samples);
    if (valid < batch) {
      ignore_targets(session, valid, batch);
    }
    const BatchResult found = session.evaluate();
    const double counted = classes ? found.count : static_cast<double>(valid);
    loss += found.loss * counted;
    correct += found.correct;
    weight += counted;
    result.has_accuracy = result.has_accuracy || found.count > 0;
    result.samples += valid;
    if (go_on && !go_on(result.samples)) break;
  }
  if (weight > 0) result.loss = loss / weight;
  if (result.has_accuracy) result.accuracy = correct / weight;
  return result;
}

TrainOutcome train(Session& session, const Dataset& data, const Dataset* evaluation_data,
                   const TrainSettings& settings, const TrainCallbacks& callbacks,
                   TrainProgress progress) {
  const std::int64_t batch = batch_of(session);
  const std::int64_t samples = batch * session.micro_batches();  // of a step
  const BatchOrder order{data.samples(), samples, settings.seed, settings.shuffle};
  const std::int64_t total = total_attempts(settings, data, samples);
  LearningRate rate = settings.rate;
  if (rate.total == 0) rate.total = total;
  const auto stopped_early = [&] {
    return settings.early_stop > 0 && progress.epochs_without_gain >= settings.early_stop;
  };

  TrainOutcome outcome;
  outcome.state = session.state();
  std::vector<double> times;
  while (progress.attempts < total && !stopped_early() && !outcome.stopped) {
    const std::int64_t attempt = progress.attempts;
    StepReport report;
    report.attempt = attempt;
    report.epoch = order.epoch_of(attempt);
    report.ends_epoch = attempt + 1 == total || order.epoch_of(attempt + 1) != report.epoch;
    const Clock::time_point start = Clock::now();
    const std::vector<std::int64_t> chosen = order.samples_of(attempt);
    const auto stage = [&](std::int64_t micro_batch) {
      const auto first = static_cast<std::size_t>(micro_batch * batch);
      stage_batch(session, data, std::span(chosen).subspan(first, static_cast<std::size_t>(batch)));
    };
    report.state =
        session.step({settings.seed, static_cast<std::uint64_t>(attempt), rate.at(attempt)}, stage);
    report.result = session.training_result();
    report.ms = ms_since(start);
    times.push_back(report.ms);
    add_step(progress, report);
    outcome.state = report.state;
    outcome.stopped = callbacks.after_step && !callbacks.after_step(report, progress);
    if (report.state.consecutive >= kOverflowsInARow) throw_overflow(session, report);

    if (report.ends_epoch) {
      EpochReport epoch{report.epoch, progress.loss, {}};
      if (evaluation_data != nullptr) epoch.evaluation = evaluate(session, *evaluation_data);
      add_epoch(progress, epoch.evaluation);
      if (callbacks.after_epoch) callbacks.after_epoch(epoch, progress);
    }
  }
  outcome.attempts = progress.attempts;
  outcome.epochs = order.epoch_of(progress.attempts);
  if (progress.attempts == total && progress.attempts % order.steps_per_epoch() != 0) {
    ++outcome.epochs;  // the last one ended before its data
  }
  outcome.loss = progress.loss;
  outcome.evaluation = progress.evaluation;
  outcome.step_ms = median(std::move(times));
  if (outcome.step_ms > 0) {
    outcome.samples_per_s = 1000.0 * static_cast<double>(samples) / outcome.step_ms;
  }
  return outcome;
}

}  // namespace mpsearch
