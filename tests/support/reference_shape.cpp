// Reductions, and operators that only move elements.
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

template <bool Mean>
std::vector<Numbers> reduce(const Call& call) {
  const Shape& x = call.shape(0);
  Shape kept = x;
  for (const std::int64_t axis : call.call.attributes.integers("axes")) {
    kept[static_cast<std::size_t>(axis)] = 1;
  }
  Numbers y(count_of(kept), 0);
  for_each_index(x, [&](const Shape& index) {
    y[broadcast_position(kept, index)] += call.inputs[0][position(x, index)];
  });
  const double count = static_cast<double>(call.inputs[0].size()) / static_cast<double>(y.size());
  if (Mean) {
    for (double& value : y) value /= count;
  }
  return {y};
}

std::vector<Numbers> same(const Call& call) { return {call.inputs[0]}; }

/// y[i0, i1, ...] = x at the index whose dimension perm[d] is id.
std::vector<Numbers> transpose(const Call& call) {
  const Shape perm = call.call.attributes.integers("perm");
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& index) {
    Shape from(index.size());
    for (std::size_t d = 0; d < perm.size(); ++d)
      from[static_cast<std::size_t>(perm[d])] = index[d];
    y.push_back(call.inputs[0][position(call.shape(0), from)]);
  });
  return {y};
}

}  // namespace

std::vector<Definition> shape_definitions() {
  return {{"ReduceMean", reduce<true>},
          {"ReduceSum", reduce<false>},
          {"Reshape", same},
          {"Identity", same},
          {"Transpose", transpose}};
}

}  // namespace mpsearch::reference
