// The data of a run: what the model's inputs and losses ask of a data set, and the loss where only
// the data tell. Used by set_up alone.
#pragma once

#include "search/cli/options.h"
#include "search/cli/run_setup.h"

namespace mpsearch {

/// Opens --data and --eval-data, decides the loss and checks the targets against it; completes the
/// setup's settings. Throws what opening data throws, BadContent for targets that do not fit.
void open_all_data(RunSetup& setup, const Options& options);

}  // namespace mpsearch
