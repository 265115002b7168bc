// Operators that only move elements.
#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

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
  return {{"Reshape", same}, {"Identity", same}, {"Transpose", transpose}};
}

}  // namespace mpsearch::reference
