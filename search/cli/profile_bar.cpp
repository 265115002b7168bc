#include "search/cli/profile_bar.h"

#include <memory>

#include "kernels/error.h"
#include "search/cli/progress.h"
#include "search/cli/signals.h"

namespace mpsearch {

ProfileProgress profile_bar(Console& console) {
  struct State {
    std::unique_ptr<Progress> bar;
    int total = -1;
    int done = 0;
  };
  const auto state = std::make_shared<State>();
  return [state, &console](int done, int total, const std::string& what) {
    if (stop_requested()) {
      throw Error(ErrorKind::Interrupted,
                  {.what = "interrupted while measuring",
                   .at = {},
                   .why = "nothing was planned or written",
                   .try_ = "the same command again: finished measurements are kept"});
    }
    if (total != state->total || done < state->done || !state->bar) {
      state->bar.reset();
      state->bar = std::make_unique<Progress>(console, "measure", total);
    }
    state->total = total;
    state->done = done;
    state->bar->update(done, what);
  };
}

}  // namespace mpsearch
