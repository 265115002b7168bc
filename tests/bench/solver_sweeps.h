// Rows of the solver's benchmark that look at many limits of one problem, or at another engine.
#pragma once

namespace mpsearch::bench {

/// Each prints its row and returns whether what must hold of it does.
bool run_sweep();   // 100 budgets: never over one, never dearer with more
bool run_front();   // 20 budgets of networks of repeated blocks: CPU time of all
bool run_random();  // 1,000 small random graphs at three budgets each
bool run_peer();    // the same optimum as CBC on the arc-flow model

}  // namespace mpsearch::bench
