// Local replay of one layer: its forward nodes alone, fed with given inputs, in any precision.
// Used by the sensitivity profile.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "models/graph.h"
#include "models/lower.h"
#include "runtime/backend.h"
#include "runtime/executable.h"
#include "runtime/memory_plan.h"

namespace mpsearch {

/// A layer cut out of a graph. Values are those of the graph it was cut from.
struct LayerCut {
  LayerId layer = kNone;
  std::vector<ValueId> inputs;   // what other layers, the host or parameters give
  std::vector<ValueId> outputs;  // what other layers' forward nodes read
};

/// Cuts of all layers, in order; layers without outputs (the loss) have empty lists.
std::vector<LayerCut> cut_layers(const Graph& graph);

/// One layer compiled in one precision on a device.
class Replay {
 public:
  Replay(const Graph& graph, const LayerCut& cut, Precision precision, const Backend& backend,
         const ChooseKernel& choose);

  /// FP32 RowMajor numbers (or integers' bytes) of each input in, FP32 RowMajor of each output out.
  std::vector<std::vector<float>> run(std::span<const Bytes> inputs) const;

 private:
  Lowered lowered_;
  MemoryPlan memory_;
  const Backend& backend_;
  std::vector<ValueId> inputs_;   // in lowered_
  std::vector<ValueId> outputs_;  // in lowered_
  std::shared_ptr<std::byte> arena_;
  Executable executable_;
};

}  // namespace mpsearch
