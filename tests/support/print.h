// How GoogleTest shows our enumerations as a test's parameter. Included by parameterised tests.
#pragma once

#include <ostream>

#include "models/precision.h"

namespace mpsearch {

inline void PrintTo(Precision precision, std::ostream* out) { *out << name_of(precision); }

}  // namespace mpsearch
