// Progress of profiling as a ProfileProgress. Used by every verb that measures.
#pragma once

#include "search/cli/console.h"
#include "search/speed_profile.h"

namespace mpsearch {

/// Draws on the console, a bar for each phase. Throws Interrupted where the user asked to stop:
/// what was measured and cached is kept.
ProfileProgress profile_bar(Console& console);

}  // namespace mpsearch
