// The definition of every function of two tensors under numpy's broadcasting. Used by the
// definitions of arithmetic, of comparisons and of logic.
#pragma once

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {

/// F(a, b), of the output's shape.
template <auto F>
std::vector<Numbers> binary(const Call& call) {
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& index) {
    y.push_back(static_cast<double>(F(call.inputs[0][broadcast_position(call.shape(0), index)],
                                      call.inputs[1][broadcast_position(call.shape(1), index)])));
  });
  return {y};
}

}  // namespace mpsearch::reference
