// The descriptions of all verbs, one function for each verb_NAME.cpp. Used by verbs.cpp.
#pragma once

#include "search/cli/verb.h"

namespace mpsearch {

Verb inspect_verb();
Verb zoo_verb();
Verb diff_verb();
Verb solve_verb();
Verb completions_verb();

}  // namespace mpsearch
