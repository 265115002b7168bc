// What several verbs do with their results: JSON to stdout, numbers as text. Used by verbs only.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "search/cli/console.h"

namespace mpsearch {

/// The verb's one JSON object (or list), keys in the order in which they were set.
void print_json(Console& console, const nlohmann::ordered_json& value);

}  // namespace mpsearch
