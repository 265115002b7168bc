// Every operator's definition in FP64: naive, straight from ONNX or from models/ops/README.md,
// sharing no code with kernels. Used by tests of gradients, of kernels and of whole nets.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernel.h"

namespace mpsearch::reference {

/// The elements of a tensor in row-major order, whatever its layout: masks are 0 or 1, records
/// (StepInputs, StepState) are their bytes, FP8 tensors with a scale their real values.
using Numbers = std::vector<double>;

/// The outputs of the call, as many as the operator has. Inputs that the operator changes in place
/// (OpDef::mutates) are changed. Rounds nowhere but in Cast and Quantize (to the output's dtype,
/// narrower than F32).
std::vector<Numbers> evaluate(const KernelCall& call, std::vector<Numbers>& inputs);

/// One call with its values, as the definitions below see it.
struct Call {
  const KernelCall& call;
  std::vector<Numbers>& inputs;

  const Shape& shape(std::size_t input) const { return call.inputs[input].shape; }
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const {
    return call.attributes.integer(name, otherwise);
  }
  double number(std::string_view name, double otherwise) const {
    return call.attributes.number(name, otherwise);
  }
};

struct Definition {
  std::string_view op;
  std::vector<Numbers> (*evaluate)(const Call& call);
};

// One function a file; reference.cpp joins them.
std::vector<Definition> conv_definitions();
std::vector<Definition> matmul_definitions();
std::vector<Definition> elementwise_definitions();
std::vector<Definition> broadcast_definitions();
std::vector<Definition> norm_definitions();
std::vector<Definition> row_norm_definitions();
std::vector<Definition> pool_definitions();
std::vector<Definition> softmax_definitions();
std::vector<Definition> reduce_definitions();
std::vector<Definition> resample_definitions();
std::vector<Definition> shape_definitions();
std::vector<Definition> movement_definitions();
std::vector<Definition> gather_definitions();
std::vector<Definition> logic_definitions();
std::vector<Definition> loss_definitions();
std::vector<Definition> cast_definitions();
std::vector<Definition> optimizer_definitions();

/// A plain record as the numbers of a U8 tensor, and back.
template <class Record>
Numbers numbers_of(const Record& record) {
  unsigned char bytes[sizeof(Record)];
  std::memcpy(bytes, &record, sizeof record);
  return Numbers(bytes, bytes + sizeof record);
}
template <class Record>
Record record_of(const Numbers& numbers) {
  unsigned char bytes[sizeof(Record)] = {};
  for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = static_cast<unsigned char>(numbers[i]);
  Record record;
  std::memcpy(&record, bytes, sizeof record);
  return record;
}

}  // namespace mpsearch::reference
