// Runs an engine in a process of its own: a library that aborts or crashes there ends that process,
// not ours. Used by the CBC engine, whose library is built with assertions.
#pragma once

#include <atomic>
#include <functional>

#include "search/solver/engine.h"

namespace mpsearch::solver {

/// What `work` answers in a child process. `stop` is set there once `patience` is interrupted here;
/// signals and the caller's profiling timer (ITIMER_PROF) act in the child too. Where the child
/// ends without an answer, `failure` of the Answer says how; where it had to be ended because it
/// did not stop in time nothing does. Either way it is Unknown, its bound minus infinity. Throws
/// std::bad_alloc where the child ran out of memory, Error where no process could be started.
Answer answer_of_child(const std::function<Answer(const std::atomic<bool>& stop)>& work,
                       const Patience& patience);

/// CPU seconds of all child processes that have ended.
double seconds_of_children();

}  // namespace mpsearch::solver
