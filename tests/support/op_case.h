// The registry's samples with values: one list that tests of shapes, gradients and kernels loop
// over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/op.h"
#include "models/precision.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {

/// A sample's call with all the operator's outputs, F32 and RowMajor, and inputs that suit it
/// (indices that lie in their window, true statistics, records). Floats are exact in F32.
struct OpCase {
  std::string name;  // "Conv.k3p1"
  const OpDef* op = nullptr;
  KernelCall call;
  std::vector<Numbers> inputs;
};

/// The same seed gives the same values everywhere.
OpCase op_case(const OpDef& op, const OpSample& sample, std::uint64_t seed = 1);

/// Every sample of every operator, in the registry's order.
std::vector<OpCase> all_cases(std::uint64_t seed = 1);

/// The call with its tensors in the layout and the dtypes of a tier, as lowering would give them:
/// gradients ("dy" of the gradient operators) apart from activations, F32 and own dtypes as they
/// are. ChannelsLast changes only calls whose first input has rank 4 or more, and no weights.
KernelCall in_forms(const OpCase& of, Precision precision, Layout layout);

/// `count` distinct values in [low, high], shuffled, evenly spread: neighbours are
/// (high - low) / count apart and none is nearer than an eighth of that to 0 or to another fraction
/// i / 4 of the range, so that small steps cross no kink.
Numbers spread_numbers(std::size_t count, double low, double high, std::uint64_t seed);

}  // namespace mpsearch::reference
