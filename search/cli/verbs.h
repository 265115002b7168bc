// The descriptions of all verbs, one function for each verb_NAME.cpp. Used by verbs.cpp.
#pragma once

#include "search/cli/verb.h"

namespace mpsearch {

Verb plan_verb();
Verb train_verb();
Verb eval_verb();
Verb verify_verb();
Verb inspect_verb();
Verb profile_verb();
Verb compare_verb();
Verb pareto_verb();
Verb bench_verb();
Verb export_verb();
Verb report_verb();
Verb diff_verb();
Verb solve_verb();
Verb zoo_verb();
Verb ops_verb();
Verb devices_verb();
Verb completions_verb();

}  // namespace mpsearch
