// Orders of elimination that go block by block. Used where plain orders leave much open.
#pragma once

#include <vector>

#include "search/solver/frontier_width.h"

namespace mpsearch::solver {

/// Layers between two places of the natural order that are narrower than those around them, mostly
/// a block of the network. Wide inside, blocks are best eliminated one after the other, from either
/// end.
using Segments = std::vector<std::vector<int>>;

Segments segments_of(Ties& ties);

/// From segment `start`, always the neighbour of what is open that leaves least open.
std::vector<int> greedy_by_segments(Ties& ties, const Segments& segments, int start);

}  // namespace mpsearch::solver
