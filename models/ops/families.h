// The families of operators, one function a file of this folder; ops.cpp joins them in one list.
#pragma once

#include <vector>

#include "models/op.h"

namespace mpsearch {

std::vector<OpDef> conv_ops();
std::vector<OpDef> matmul_ops();
std::vector<OpDef> elementwise_ops();
std::vector<OpDef> broadcast_ops();
std::vector<OpDef> norm_ops();
std::vector<OpDef> row_norm_ops();
std::vector<OpDef> pool_ops();
std::vector<OpDef> softmax_ops();
std::vector<OpDef> reduce_ops();
std::vector<OpDef> resample_ops();
std::vector<OpDef> shape_ops();
std::vector<OpDef> movement_ops();
std::vector<OpDef> gather_ops();
std::vector<OpDef> logic_ops();
std::vector<OpDef> dropout_ops();
std::vector<OpDef> loss_ops();
std::vector<OpDef> cast_ops();
std::vector<OpDef> optimizer_ops();

}  // namespace mpsearch
