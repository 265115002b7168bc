// Signals: the first ^C asks for a stop, the second one stops at once. Used by main and long work.
#pragma once

#include <atomic>

namespace mpsearch {

/// SIGINT and SIGTERM set the stop flag, a second one ends the process with status 130; a closed
/// pipe becomes a failed write instead of a signal.
void install_signals();

/// Whether the user asked to stop. Cheap enough for every step of a loop.
bool stop_requested();

/// The same flag, for work that is told to stop through a pointer.
const std::atomic<bool>& stop_flag();

}  // namespace mpsearch
