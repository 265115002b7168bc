#include "kernels/kernel.h"

namespace mpsearch {

std::string key_of(const KernelCall& call) {
  std::string key = call.op + '(' + to_string(call.attributes) + ')';
  for (const TensorType& type : call.inputs) key += ' ' + to_string(type);
  key += " ->";
  for (const TensorType& type : call.outputs) key += ' ' + to_string(type);
  return key;
}

const KernelEntry* find_kernel(KernelTable table, std::string_view op) {
  for (const KernelEntry& entry : table) {
    if (entry.op == op) return &entry;
  }
  return nullptr;
}

}  // namespace mpsearch
