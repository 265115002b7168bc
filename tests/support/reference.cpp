#include "tests/support/reference.h"

#include <map>
#include <stdexcept>
#include <string>

namespace mpsearch::reference {

std::vector<Numbers> evaluate(const KernelCall& call, std::vector<Numbers>& inputs) {
  static const std::map<std::string_view, Definition> kDefinitions = [] {
    std::map<std::string_view, Definition> all;
    for (const auto family :
         {conv_definitions, matmul_definitions, elementwise_definitions, broadcast_definitions,
          norm_definitions, row_norm_definitions, pool_definitions, softmax_definitions,
          reduce_definitions, resample_definitions, shape_definitions, movement_definitions,
          gather_definitions, logic_definitions, loss_definitions, cast_definitions,
          optimizer_definitions}) {
      for (const Definition& definition : family()) all.emplace(definition.op, definition);
    }
    return all;
  }();
  const auto found = kDefinitions.find(call.op);
  if (found == kDefinitions.end()) {
    throw std::logic_error("no FP64 definition of '" + call.op + "' in tests/support");
  }
  return found->second.evaluate({call, inputs});
}

}  // namespace mpsearch::reference
