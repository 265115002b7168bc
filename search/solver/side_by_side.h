// Independent pieces of work on several cores. Threads live no longer than the call: CBC's process
// is forked from this one, and a pool would not survive that.
#pragma once

#include <cstddef>
#include <functional>

namespace mpsearch::solver {

/// The cores that this process may use.
std::size_t cores();

/// work(0) to work(count - 1), as many at a time as there are cores; within another call one after
/// the other. When all are done the exception of the lowest number goes on, if any was thrown.
void side_by_side(std::size_t count, const std::function<void(std::size_t)>& work);

}  // namespace mpsearch::solver
