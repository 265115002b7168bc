#include <string>
#include <unordered_map>

#include "models/op.h"
#include "models/ops/families.h"

namespace mpsearch {
namespace {

std::vector<OpDef> joined() {
  std::vector<OpDef> all;
  for (const auto family :
       {conv_ops, matmul_ops, elementwise_ops, broadcast_ops, norm_ops, row_norm_ops, pool_ops,
        softmax_ops, reduce_ops, resample_ops, shape_ops, movement_ops, gather_ops, logic_ops,
        dropout_ops, loss_ops, cast_ops, optimizer_ops}) {
    for (OpDef& op : family()) all.push_back(std::move(op));
  }
  return all;
}

}  // namespace

std::span<const OpDef> all_ops() {
  static const std::vector<OpDef> kOps = joined();
  return kOps;
}

const OpDef* find_op(std::string_view name) {
  static const std::unordered_map<std::string_view, const OpDef*> kByName = [] {
    std::unordered_map<std::string_view, const OpDef*> by_name;
    for (const OpDef& op : all_ops()) by_name.emplace(op.name, &op);
    return by_name;
  }();
  const auto found = kByName.find(name);
  return found == kByName.end() ? nullptr : found->second;
}

}  // namespace mpsearch
