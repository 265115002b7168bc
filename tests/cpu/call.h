// Runs one kernel call on the CPU backend with given contents: what the tests of this folder share.
#pragma once

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "runtime/backend.h"

namespace mpsearch::test {

/// The bytes of one tensor and the scale beside it.
struct Tensor {
  TensorType type;
  std::vector<std::byte> bytes;
  float scale = 1;
  bool scaled = false;

  explicit Tensor(TensorType of)
      : type(std::move(of)), bytes(static_cast<std::size_t>(type.bytes()), std::byte{0xFF}) {}

  template <class T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
  TensorView view() { return {bytes.data(), scaled ? &scale : nullptr, type}; }
};

/// Binds `choice` to the tensors and runs it, in a workspace full of 0xFF of exactly its size.
inline void run_call(const Backend& backend, const KernelCall& call, const KernelChoice& choice,
                     std::vector<Tensor*> inputs, std::vector<Tensor*> outputs) {
  constexpr std::int64_t kGuard = 1024;
  KernelViews views;
  for (Tensor* tensor : inputs) views.inputs.push_back(tensor->view());
  for (Tensor* tensor : outputs) views.outputs.push_back(tensor->view());
  const std::shared_ptr<std::byte> workspace = backend.allocate(choice.workspace_bytes + kGuard);
  views.workspace = workspace.get();
  const BoundKernel kernel = backend.bind(call, choice, views);
  // Other kernels use the workspace between binding and running.
  std::memset(workspace.get(), 0xFF, static_cast<std::size_t>(choice.workspace_bytes));
  backend.run({&kernel, 1});
  backend.wait();
  const std::byte* end = workspace.get() + choice.workspace_bytes;
  for (std::int64_t i = 0; i < kGuard; ++i) {
    ASSERT_EQ(end[i], std::byte{0xFF}) << "written " << i << " bytes beyond the workspace";
  }
}

}  // namespace mpsearch::test
