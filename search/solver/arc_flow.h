// The frontier graph as a mixed-integer program: a unit of flow through its arcs. Used by the CBC
// engine and the LP file writer.
#pragma once

#include "search/solver/frontier_graph.h"
#include "search/solver/linear_model.h"

namespace mpsearch::solver {

/// Above this the plain model is the smaller one.
inline constexpr std::int64_t kMostFlowArcs = 200'000;

/// Exact for integer option columns, the byte limit included: the usage of each event that may be a
/// peak is a column, bounded by the limit, and differs from the one before by what the flow changes
/// there. `held` and `base` are left empty: no further event rows are needed.
LinearModel arc_flow_model(const FrontierGraph& graph, const Problem& problem);

}  // namespace mpsearch::solver
