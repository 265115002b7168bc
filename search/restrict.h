// Which precisions each layer may have, and why not the others: pins, forbids, edges, missing
// kernels. Used by the planner and by the uniform policies.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"
#include "models/training.h"
#include "runtime/backend.h"

namespace mpsearch {

/// A wish of the user: layers whose name matches the glob, or with "op:NAME" whose operator does.
struct Pin {
  std::string pattern;
  Precision precision = Precision::FP32;
};

struct Restrictions {
  std::vector<Precision> precisions{kPrecisions.begin(), kPrecisions.end()};
  std::vector<Pin> pins;
  bool fp8_edges = false;  // FP8 for the first and last weighted layers too
};

/// Why a layer may not have a precision: shown in plan and report.
using Exclusions = std::map<std::pair<LayerId, Precision>, std::string>;

/// Layers that `pattern` names. Throws Usage with the nearest names where there are none.
std::vector<LayerId> layers_matching(const Graph& graph, const std::string& pattern);

/// Narrows Layer::allowed of the model's graph to what the device has kernels for.
Exclusions restrict_to_device(Model& model, const TrainingOptions& options, const Backend& backend);

/// Narrows Layer::allowed to what the user wants. Throws Usage where a pin matches nothing,
/// GoalNotMet where it leaves a layer without any precision.
void restrict_to(const Restrictions& restrictions, Graph& graph, Exclusions& exclusions);

/// Both.
Exclusions restrict_layers(Model& model, const TrainingOptions& options,
                           const Restrictions& restrictions, const Backend& backend);

/// Removes one precision from a layer; the last one stays.
void exclude(Graph& graph, Exclusions& exclusions, LayerId layer, Precision precision,
             std::string reason);

/// The policies of `--precision`: one precision for all layers that allow it, else the nearest
/// wider one (FP8 -> BF16 -> FP32), and "amp": BF16 (`half` otherwise) for matrix products, FP32
/// elsewhere.
std::vector<Precision> uniform_policy(const Graph& graph, Precision precision);
std::vector<Precision> amp_policy(const Graph& graph, Precision half);

}  // namespace mpsearch
