#include "search/cli/signals.h"

#include <csignal>

#include <unistd.h>

#include "search/cli/exit_code.h"

namespace mpsearch {
namespace {

// A signal handler can reach nothing but a global; this is the program's only one.
std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_interrupt(int) {
  if (stop.exchange(true)) _exit(exit_code(ErrorKind::Interrupted));
}

}  // namespace

void install_signals() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool stop_requested() { return stop.load(std::memory_order_relaxed); }

const std::atomic<bool>& stop_flag() { return stop; }

}  // namespace mpsearch
