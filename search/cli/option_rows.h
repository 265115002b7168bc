// The rows of the option table, in files of readable length. Used by options.cpp alone.
#pragma once

#include "search/cli/options.h"

namespace mpsearch {

std::vector<OptionSpec> search_rows();    // model, data, plan, search
std::vector<OptionSpec> training_rows();  // training, its output, device
std::vector<OptionSpec> other_rows();     // export, zoo, messages

}  // namespace mpsearch
