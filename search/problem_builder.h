// From a step graph and its profiles to the optimiser's Problem: one option a decision and allowed
// precision, one event a slot of the fixed schedule, bytes as the memory plan will count them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/training.h"
#include "search/solver/problem.h"
#include "search/speed_profile.h"

namespace mpsearch {

/// Score of training damage of layer `layer` under `precision`; 0 for FP32.
using SensitivityOf = std::function<double(LayerId layer, Precision precision)>;

struct BuiltProblem {
  Problem problem;
  /// Precision of each option of each problem layer; the last problem layer holds the nodes of no
  /// layer.
  std::vector<std::vector<Precision>> options;
  /// The problem layer of each of the graph's layers: layers with tied weights share one.
  std::vector<int> decision;
  /// Problem layer choices as precisions of the graph's layers.
  std::vector<Precision> precision_of(const std::vector<int>& choice) const;
};

/// For each layer the first that multiplies or looks up the same parameter (itself, or transposed):
/// itself where its weights are its own, or where no precision is allowed to both.
std::vector<LayerId> tied_layers(const Graph& graph);

/// Options follow Layer::allowed of the graph. Limits and objective are the caller's to set.
BuiltProblem build_problem(const StepGraph& step, const SpeedProfile& profile,
                           const SensitivityOf& sensitivity);

}  // namespace mpsearch
