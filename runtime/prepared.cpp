#include "runtime/prepared.h"

#include <algorithm>
#include <vector>

namespace mpsearch {
namespace {

/// The model's layers are followed by the loss, which is always FP32.
std::vector<Precision> with_loss(std::span<const Precision> precision, const StepGraph& step) {
  std::vector<Precision> all(precision.begin(), precision.end());
  all.resize(step.graph.layers.size(), Precision::FP32);
  return all;
}

/// Constants that only the training graph has are no part of evaluation, and the reverse.
PreparedGraph prepare_evaluation(const Model& model, const TrainingOptions& options,
                                 std::span<const Precision> precision, const ChooseKernel& choose,
                                 const PreparedGraph& training) {
  PreparedGraph evaluation;
  evaluation.step = evaluation_graph(model, options);
  evaluation.lowered = lower(evaluation.step.graph, with_loss(precision, evaluation.step), choose);
  evaluation.memory = plan_memory(evaluation.lowered.graph,
                                  persistent_offsets(training.lowered.graph, training.memory),
                                  training.memory.persistent);
  return evaluation;
}

}  // namespace

PreparedGraph prepare_graph(StepGraph step, std::span<const Precision> precision,
                            const ChooseKernel& choose) {
  PreparedGraph prepared;
  prepared.step = std::move(step);
  prepared.lowered = lower(prepared.step.graph, with_loss(precision, prepared.step), choose);
  prepared.memory = plan_memory(prepared.lowered.graph);
  return prepared;
}

Prepared prepare(const Model& model, const TrainingOptions& options,
                 std::span<const Precision> precision, const ChooseKernel& choose) {
  Prepared prepared;
  prepared.training = prepare_graph(training_graph(model, options), precision, choose);
  prepared.evaluation = prepare_evaluation(model, options, precision, choose, prepared.training);
  prepared.peak = std::max(prepared.training.memory.peak, prepared.evaluation.memory.peak);
  return prepared;
}

}  // namespace mpsearch
