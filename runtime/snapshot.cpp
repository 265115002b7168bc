#include "runtime/snapshot.h"

#include <cstring>
#include <set>

#include "kernels/error.h"

namespace mpsearch {
namespace {

constexpr const char* kStepState = "step_state";
constexpr const char* kSeed = "seed";

StepState step_state_of(std::span<const std::byte> bytes) {
  StepState state;
  require(bytes.size() == sizeof state, ErrorKind::BadContent,
          "the checkpoint's step state has another size than this version's");
  std::memcpy(&state, bytes.data(), sizeof state);
  return state;
}

/// The checkpoint's counters with the session's own loss scale: for another plan.
Bytes with_scaler_of(std::span<const std::byte> kept, const Bytes& fresh) {
  StepState state = step_state_of(kept);
  const StepState initial = step_state_of(fresh);
  state.loss_scale = initial.loss_scale;
  state.dynamic = initial.dynamic;
  state.good = initial.good;
  state.hysteresis = initial.hysteresis;
  Bytes bytes(sizeof state);
  std::memcpy(bytes.data(), &state, sizeof state);
  return bytes;
}

void write_progress(const TrainProgress& progress, CheckpointData& data) {
  const EvaluationResult& evaluation = progress.evaluation;
  const auto count = [&](const char* name, std::int64_t value) {
    data.counters.push_back({name, static_cast<std::uint64_t>(value)});
  };
  count("attempts", progress.attempts);
  count("epoch_steps", progress.epoch_steps);
  count("epochs_without_gain", progress.epochs_without_gain);
  count("evaluated_samples", evaluation.samples);
  count("has_accuracy", evaluation.has_accuracy ? 1 : 0);
  data.scalars = {{"epoch_loss", progress.epoch_loss},
                  {"loss", progress.loss},
                  {"best_loss", progress.best_loss},
                  {"evaluated_loss", evaluation.loss},
                  {"evaluated_accuracy", evaluation.accuracy}};
}

TrainProgress progress_of(const CheckpointData& data) {
  const auto count = [&](const char* name) {
    return static_cast<std::int64_t>(data.counter(name));
  };
  TrainProgress progress;
  progress.attempts = count("attempts");
  progress.epoch_loss = data.scalar("epoch_loss");
  progress.epoch_steps = count("epoch_steps");
  progress.loss = data.scalar("loss");
  progress.best_loss = data.scalar("best_loss");
  progress.epochs_without_gain = count("epochs_without_gain");
  progress.evaluation = {data.scalar("evaluated_loss"), data.scalar("evaluated_accuracy"),
                         data.counter("has_accuracy") != 0, count("evaluated_samples")};
  return progress;
}

/// What a run would drop is another optimizer's state.
void require_all_known(const Graph& graph, const CheckpointData& data) {
  std::set<std::string> known;
  for (const Value& value : graph.values) {
    if (value.kind == ValueKind::Parameter || value.kind == ValueKind::State) {
      known.insert(value.name);
    }
  }
  for (const CheckpointTensor& tensor : data.tensors) {
    if (known.contains(tensor.name)) continue;
    throw Error(ErrorKind::BadContent,
                {.what = "the checkpoint holds more than this run has",
                 .at = "'" + tensor.name + "'",
                 .why = "the run that wrote it had another optimizer or other trained parameters",
                 .try_ = "the flags of that run"});
  }
}

}  // namespace

std::int64_t snapshot_bytes(const Graph& lowered) {
  std::int64_t bytes = 0;
  for (const Value& value : lowered.values) {
    if (value.kind != ValueKind::Parameter && value.kind != ValueKind::State) continue;
    bytes += bytes_of(value.type.form.dtype, value.type.elements());
  }
  return bytes;
}

Snapshot take_snapshot(const Session& session, const TrainProgress& progress, std::uint64_t seed,
                       std::string plan_json) {
  Snapshot snapshot;
  snapshot.data.plan_json = std::move(plan_json);
  const Graph& graph = session.prepared().training.lowered.graph;
  for (const Value& value : graph.values) {
    if (value.kind != ValueKind::Parameter && value.kind != ValueKind::State) continue;
    snapshot.storage.push_back(session.read(value.name));
    snapshot.data.tensors.push_back({value.name, value.type.form.dtype, value.type.shape, {}});
  }
  for (std::size_t i = 0; i < snapshot.storage.size(); ++i) {
    snapshot.data.tensors[i].bytes = snapshot.storage[i];
  }
  snapshot.data.counters = {{kSeed, seed}};
  write_progress(progress, snapshot.data);
  return snapshot;
}

TrainProgress restore_snapshot(Session& session, const CheckpointData& data, std::uint64_t seed,
                               const std::string& plan_json) {
  if (data.counter(kSeed) != seed) {
    throw Error(ErrorKind::BadContent, {.what = "the checkpoint was made with another seed",
                                        .at = {},
                                        .why = "checkpoint " + std::to_string(data.counter(kSeed)) +
                                               ", asked for " + std::to_string(seed),
                                        .try_ = "--seed " + std::to_string(data.counter(kSeed))});
  }
  const Graph& graph = session.prepared().training.lowered.graph;
  require_all_known(graph, data);
  for (const Value& value : graph.values) {
    if (value.kind != ValueKind::Parameter && value.kind != ValueKind::State) continue;
    const CheckpointTensor& tensor = data.tensor(value.name);
    if (tensor.shape != value.type.shape || tensor.dtype != value.type.form.dtype) {
      throw Error(
          ErrorKind::BadContent,
          {.what = "the checkpoint does not fit the model",
           .at = "'" + value.name + "'",
           .why =
               "checkpoint " + to_string(tensor.shape) + ", model " + to_string(value.type.shape),
           .try_ = "resume with the model and optimizer that the checkpoint was made with"});
    }
    if (value.name == kStepState && data.plan_json != plan_json) {
      session.write(value.name, with_scaler_of(tensor.bytes, session.read(value.name)));
    } else {
      session.write(value.name, tensor.bytes);
    }
  }
  return progress_of(data);
}

}  // namespace mpsearch
