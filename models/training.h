// From a model to the one fixed graph of a training step: forward, loss, backward, update.
// Used by planner, profiles and trainer; precision comes later (models/lower.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/model.h"

namespace mpsearch {

enum class LossKind : std::uint8_t { CrossEntropy, MeanSquaredError, BinaryCrossEntropy };
enum class OptimizerKind : std::uint8_t { Sgd, Adam, AdamW };

/// Defaults are those of the commands. Learning rate and seed are no part of the graph.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::AdamW;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0.01;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Defaults of numerics.md, section 3. `dynamic` off keeps the scale at `initial`.
struct ScalerOptions {
  bool dynamic = true;
  double initial = 65536;
  double growth_interval = 2000;
  double floor = 0;  // 0: none
  double cap = 0;    // 0: none
  std::int64_t hysteresis = 1;
};

/// The loss of one output, by its name in the file.
struct OutputLoss {
  std::string output;
  LossKind kind = LossKind::CrossEntropy;
  double weight = 1;
};

struct TrainingOptions {
  LossKind loss = LossKind::CrossEntropy;  // of the first output, where `losses` is empty
  std::vector<OutputLoss> losses{};        // their weighted sum is trained
  OptimizerOptions optimizer;
  ScalerOptions scaler;
  bool scaled = false;             // whether the loss scale is active (a layer with F16 gradients)
  double clip = 0;                 // global norm; 0: off
  std::int64_t micro_batches = 1;  // whose gradients make one step; > 1: accumulation
  bool unbiased_running_variance = true;
};

/// A training or evaluation graph with the values that the host writes and reads.
struct StepGraph {
  Graph graph;
  std::vector<ValueId> data;         // the model's inputs
  std::vector<ValueId> targets;      // one a loss
  ValueId step_inputs = kNone;       // StepInputs
  ValueId step_state = kNone;        // StepState; kNone in evaluation
  ValueId loss = kNone;              // F32 scalar, unscaled: the mean over the micro-batches
  ValueId correct = kNone;           // F32 scalar: hits among valid targets, kNone: no classes
  ValueId count = kNone;             // F32 scalar: valid targets
  std::int64_t micro_batches = 1;    // runs of all nodes before Phase::Update in a step
  std::vector<ValueId> gradient_of;  // by ValueId of the forward part: its gradient, or kNone
  std::vector<ValueId> trained;      // parameters, in the order in which backward reaches them
  std::vector<ValueId> gradients;    // theirs; StepState::first_bad is an index into both
};

/// How often a node of this phase runs in a step.
constexpr double runs_in_step(Phase phase, std::int64_t micro_batches) {
  return phase == Phase::Update ? 1 : static_cast<double>(micro_batches);
}

/// With several micro-batches, gradients, losses and batch statistics are summed into State values
/// as they come; the nodes of Phase::Update, all at the end, run once a step (numerics.md, 3).
/// Throws BadContent where the loss does not fit the output, or nothing can be trained.
StepGraph training_graph(const Model& model, const TrainingOptions& options);

/// The forward part as it is used after training: running statistics, no dropout, the final
/// activation in place.
Graph inference_graph(const Model& model);

/// Forward and loss with running statistics; the same value names, so that it can share the
/// training graph's parameters.
StepGraph evaluation_graph(const Model& model, const TrainingOptions& options);

/// Every loss with its output: `losses`, or `loss` of the first output. Throws Usage where an
/// output is missing.
std::vector<OutputLoss> losses_of(const Model& model, const TrainingOptions& options);

/// Bytes of masters, moments and other state: what precision never changes.
std::int64_t weight_state_bytes(const Graph& graph);

}  // namespace mpsearch
