// Runs the cases of the registry on the loops: by the backend on one or two threads, or by the
// kernels of one instruction-set level. Used by the tests of loops in this folder.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/level.h"
#include "tests/cpu/call.h"
#include "tests/support/op_case.h"
#include "tests/support/storage.h"

namespace mpsearch::test {

/// One backend for every call on one thread, another for every call on two.
inline const Backend& backend_of(int threads) {
  static const std::unique_ptr<Backend> one = make_backend("cpu", 1), two = make_backend("cpu", 2);
  return threads == 1 ? *one : *two;
}

/// FP8 tensors carry a scale that is no power of two, but of so few bits that products are exact.
inline Tensor tensor_of(const TensorType& type, const reference::Numbers& numbers) {
  Tensor tensor(type);
  tensor.scaled = is_fp8(type.form.dtype);
  tensor.scale = tensor.scaled ? 0.01953125F : 1.0F;
  tensor.bytes = reference::stored(numbers, type, double{tensor.scale});
  return tensor;
}

/// Runs the call's first candidate, which may change `inputs` in place.
inline std::vector<Tensor> outputs_of(const KernelCall& call, std::vector<Tensor>& inputs,
                                      int threads) {
  const Backend& backend = backend_of(threads);
  std::vector<Tensor*> in, out;
  std::vector<Tensor> outputs;
  for (const TensorType& type : call.outputs) outputs.emplace_back(type);
  for (Tensor& input : inputs) in.push_back(&input);
  for (Tensor& output : outputs) out.push_back(&output);
  run_call(backend, call, backend.candidates(call).at(0), in, out);
  return outputs;
}

/// The bytes of every output, then of every input, after the kernels of one level have run.
inline std::vector<std::vector<std::byte>> bytes_of_level(const cpu::Level& level,
                                                          const reference::OpCase& of,
                                                          const KernelCall& call) {
  const KernelEntry& entry = *find_kernel(level.kernels, call.op);
  const KernelChoice choice = entry.candidates(call).at(0);
  std::vector<Tensor> inputs, outputs;
  KernelViews views;
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    inputs.push_back(tensor_of(call.inputs[i], of.inputs[i]));
  }
  for (const TensorType& type : call.outputs) outputs.emplace_back(type);
  for (Tensor& input : inputs) views.inputs.push_back(input.view());
  for (Tensor& output : outputs) views.outputs.push_back(output.view());
  const std::shared_ptr<std::byte> workspace = backend_of(1).allocate(choice.workspace_bytes);
  views.workspace = workspace.get();
  const BoundKernel kernel = entry.bind(call, choice, views);
  kernel.run(kernel.arguments.get());
  std::vector<std::vector<std::byte>> bytes;
  for (const Tensor& output : outputs) bytes.push_back(output.bytes);
  for (const Tensor& input : inputs) bytes.push_back(input.bytes);
  return bytes;
}

/// A case of an operator at the given shapes; inputs beyond `own` are F32.
inline reference::OpCase large_case(const std::string& op, Attributes attributes,
                                    const std::vector<Shape>& shapes, const std::vector<DType>& own,
                                    double low, double high = 2) {
  OpSample sample{.name = "large", .attributes = std::move(attributes), .inputs = {}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    sample.inputs.push_back({shapes[i], {i < own.size() ? own[i] : DType::F32}});
  }
  sample.low = low;
  sample.high = high;
  return reference::op_case(*find_op(op), sample);
}

}  // namespace mpsearch::test
