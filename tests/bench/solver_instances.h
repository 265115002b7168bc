// Training-shaped problems of five families for the solver's benchmark: forward and backward
// events, casts, saved forms, gradients, pair terms, recompute. The seed is the whole input.
#pragma once

#include <cstdint>
#include <string>

#include "search/solver/problem.h"

namespace mpsearch::bench {

enum class Family { Chain, Residual, Transformer, UNet, Branches };

struct InstanceSpec {
  Family family = Family::Chain;
  int layers = 60;
  bool repeated = false;  // identical blocks instead of random layers
  bool rewrites = false;  // recompute options
  std::uint64_t seed = 1;
};

const char* name_of(Family family);
Problem draw_instance(const InstanceSpec& spec);

}  // namespace mpsearch::bench
