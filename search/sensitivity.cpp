#include "search/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/error.h"
#include "models/op.h"
#include "runtime/host_tensor.h"
#include "runtime/prepared.h"
#include "runtime/session.h"
#include "runtime/shuffle.h"
#include "runtime/trainer.h"
#include "search/replay.h"

namespace mpsearch {
namespace {

constexpr double kWarmupFlops = 3e12;
constexpr float kLargestF16 = 65504;

/// Mean and standard error over the batches.
struct Sample {
  std::vector<double> values;
  double mean() const {
    double sum = 0;
    for (const double value : values) sum += value;
    return values.empty() ? 0 : sum / static_cast<double>(values.size());
  }
  double error() const {
    if (values.size() < 2) return 0;
    double squares = 0;
    for (const double value : values) squares += (value - mean()) * (value - mean());
    const auto n = static_cast<double>(values.size());
    return std::sqrt(squares / (n - 1) / n);
  }
};

/// The model in FP32, without dropout, every value that a cut names kept to the step's end.
Prepared prepare_reference(const Model& model, const TrainingOptions& options,
                           const ChooseKernel& choose, std::vector<LayerCut>& cuts) {
  Model plain = model;
  for (Node& node : plain.graph.nodes) {
    if (node.op->name != "Dropout") continue;
    node.op = find_op("Identity");
    node.attributes = {};
  }
  const std::vector<Precision> full(model.graph.layers.size(), Precision::FP32);
  Prepared prepared = prepare(plain, options, full, choose);
  StepGraph step = training_graph(plain, options);
  cuts = cut_layers(step.graph);
  for (const LayerCut& cut : cuts) {
    for (const ValueId id : cut.inputs) step.graph.outputs.push_back(id);
    for (const ValueId id : cut.outputs) {
      step.graph.outputs.push_back(id);
      const ValueId gradient = step.gradient_of[static_cast<std::size_t>(id)];
      if (gradient != kNone) step.graph.outputs.push_back(gradient);
    }
  }
  prepared.training = prepare_graph(std::move(step), full, choose);
  prepared.peak = std::max(prepared.training.memory.peak, prepared.evaluation.memory.peak);
  return prepared;
}

class Scorer {
 public:
  Scorer(Prepared prepared, const std::vector<LayerCut>& cuts,
         std::span<const std::vector<Precision>> precisions, const Backend& backend,
         ChooseKernel choose)
      : session_(std::move(prepared), backend),
        cuts_(cuts),
        precisions_(precisions),
        backend_(backend),
        choose_(std::move(choose)) {}

  Session& session() { return session_; }

  /// Scores all layers on the step that the session has just done.
  void score_batch() {
    for (const LayerCut& cut : cuts_) {
      const auto layer = static_cast<std::size_t>(cut.layer);
      if (layer >= precisions_.size()) continue;  // a loss that is added to another
      const std::vector<Precision>& scored = precisions_[layer];
      if (cut.outputs.empty() || scored.size() < 2) continue;
      score_layer(cut, scored);
    }
  }

  SensitivityProfile take() {
    SensitivityProfile profile;
    for (const auto& [key, sample] : samples_) {
      profile.scores[key] = {sample.mean(), sample.error(), out_of_range_[key]};
    }
    return profile;
  }

 private:
  using Key = std::pair<LayerId, Precision>;

  const Graph& graph() const { return session_.prepared().training.step.graph; }

  ValueId lowered(ValueId id) const { return session_.prepared().training.lowered_value(id); }

  /// Bytes of a value as the replay wants them: RowMajor, floats in FP32.
  Bytes row_major(ValueId id) const {
    const ValueId in = lowered(id);
    const TensorType& type = session_.prepared().training.lowered.graph.value(in).type;
    Bytes content = session_.read_value(in);
    if (!is_float(type.form.dtype)) return content;
    const std::vector<float> numbers = to_host(content, type);
    Bytes bytes(numbers.size() * sizeof(float));
    std::memcpy(bytes.data(), numbers.data(), bytes.size());
    return bytes;
  }

  std::vector<float> numbers(ValueId id) const {
    const ValueId in = lowered(id);
    return to_host(session_.read_value(in),
                   session_.prepared().training.lowered.graph.value(in).type);
  }

  void score_layer(const LayerCut& cut, const std::vector<Precision>& scored) {
    std::vector<Bytes> inputs;
    for (const ValueId id : cut.inputs) inputs.push_back(row_major(id));
    std::vector<std::vector<float>> gradients;
    for (const ValueId id : cut.outputs) {
      const ValueId gradient =
          session_.prepared().training.step.gradient_of[static_cast<std::size_t>(id)];
      gradients.push_back(gradient == kNone ? std::vector<float>{} : numbers(gradient));
    }
    const std::vector<std::vector<float>> full = replay(cut, Precision::FP32).run(inputs);
    for (const Precision precision : scored) {
      if (precision == Precision::FP32) continue;
      const Key key{cut.layer, precision};
      const std::vector<std::vector<float>> low = replay(cut, precision).run(inputs);
      samples_[key].values.push_back(per_sample(full, low, gradients));
      note_range(key, inputs, cut, full, low);
    }
  }

  /// Sum over samples of (g_i . dY_i)^2; a layer's outputs add up within a sample.
  double per_sample(const std::vector<std::vector<float>>& full,
                    const std::vector<std::vector<float>>& low,
                    const std::vector<std::vector<float>>& gradients) const {
    const auto batch = static_cast<std::size_t>(batch_of(session_));
    std::vector<double> moved(batch, 0);
    for (std::size_t output = 0; output < full.size(); ++output) {
      if (gradients[output].empty()) continue;
      const std::size_t size = full[output].size() / batch;
      if (size == 0) continue;
      for (std::size_t i = 0; i < batch * size; ++i) {
        const double difference = static_cast<double>(low[output][i]) - full[output][i];
        moved[i / size] += difference * gradients[output][i];
      }
    }
    double sum = 0;
    for (const double value : moved) sum += value * value;
    return sum;
  }

  /// FP16 overflow is a cliff: a filter, not a penalty.
  void note_range(const Key& key, const std::vector<Bytes>& inputs, const LayerCut& cut,
                  const std::vector<std::vector<float>>& full,
                  const std::vector<std::vector<float>>& low) {
    std::string& reason = out_of_range_[key];
    if (!reason.empty()) return;
    for (const std::vector<float>& output : low) {
      if (!std::ranges::all_of(output, [](float v) { return std::isfinite(v); })) {
        reason = "its output overflows " + std::string(name_of(key.second));
        return;
      }
    }
    if (key.second != Precision::FP16) return;
    const auto beyond = [](float value) { return std::abs(value) > kLargestF16; };
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!is_float(graph().value(cut.inputs[i]).type.form.dtype)) continue;
      for (std::size_t at = 0; at + sizeof(float) <= inputs[i].size(); at += sizeof(float)) {
        float value = 0;
        std::memcpy(&value, inputs[i].data() + at, sizeof value);
        if (beyond(value)) {
          reason = "its input exceeds 65504, the largest FP16 number";
          return;
        }
      }
    }
    for (const std::vector<float>& output : full) {
      if (std::ranges::any_of(output, beyond)) {
        reason = "its output exceeds 65504, the largest FP16 number";
      }
    }
  }

  const Replay& replay(const LayerCut& cut, Precision precision) {
    auto& held = replays_[{cut.layer, precision}];
    if (!held) held = std::make_unique<Replay>(graph(), cut, precision, backend_, choose_);
    return *held;
  }

  Session session_;
  const std::vector<LayerCut>& cuts_;
  std::span<const std::vector<Precision>> precisions_;
  const Backend& backend_;
  ChooseKernel choose_;
  std::map<Key, std::unique_ptr<Replay>> replays_;
  std::map<Key, Sample> samples_;
  std::map<Key, std::string> out_of_range_;
};

double flops_of(const Graph& graph) {
  double flops = 0;
  for (const Node& node : graph.nodes) {
    if (node.op->flops == nullptr) continue;
    const KernelCall call = call_of(graph, node);
    flops += node.op->flops(call.attributes, call.inputs, call.outputs);
  }
  return flops;
}

}  // namespace

double SensitivityProfile::score(LayerId layer, Precision precision) const {
  const auto found = scores.find({layer, precision});
  return found == scores.end() ? 0 : found->second.score;
}

std::int64_t warmup_steps(const std::string& effort, const StepGraph& step) {
  if (effort == "fast") return 0;
  if (effort == "thorough") return 300;
  const double flops = flops_of(step.graph);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(kWarmupFlops / std::max(1.0, flops)),
                                  10, 300);
}

SensitivityProfile profile_sensitivity(const Model& model, const TrainingOptions& options,
                                       std::span<const std::vector<Precision>> precisions,
                                       const Dataset& data, const SensitivitySettings& settings,
                                       const Backend& backend, const RecordedKernels& kernels,
                                       const ProfileProgress& progress) {
  const ChooseKernel choose = [&](const KernelCall& call) {
    return choose_kernel(backend, kernels, call);
  };
  std::vector<LayerCut> cuts;
  TrainingOptions unscaled = options;
  unscaled.scaled = false;
  Prepared prepared = prepare_reference(model, unscaled, choose, cuts);
  Scorer scorer(std::move(prepared), cuts, precisions, backend, choose);
  Session& session = scorer.session();
  const BatchOrder order{data.samples(), batch_of(session), settings.seed, true};
  const int total = static_cast<int>(settings.warmup_steps) + settings.batches;
  std::int64_t attempt = 0;
  const auto step = [&](double learning_rate) {
    stage_batch(session, data, order.samples_of(attempt));
    session.step(
        {settings.seed, static_cast<std::uint64_t>(attempt), static_cast<float>(learning_rate)});
    ++attempt;
  };
  while (attempt < settings.warmup_steps) {
    if (progress) progress(static_cast<int>(attempt), total, "FP32 warm-up");
    step(settings.learning_rate);
  }
  for (int batch = 0; batch < settings.batches; ++batch) {
    if (progress) progress(static_cast<int>(attempt), total, "sensitivity");
    step(0);
    scorer.score_batch();
  }
  if (progress) progress(total, total, "sensitivity");
  SensitivityProfile profile = scorer.take();
  profile.warmup_steps = settings.warmup_steps;
  // A replay is a third of a step: the forward pass, once in FP32 and once a lower precision.
  profile.steps = static_cast<double>(settings.warmup_steps) +
                  settings.batches * (1 + static_cast<double>(kPrecisions.size()) / 3);
  return profile;
}

}  // namespace mpsearch
