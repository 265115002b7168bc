// The contract between the graph's nodes and the code that computes them: what is asked
// (KernelCall), which ways there are (KernelChoice), and the bound result (BoundKernel). A backend
// offers one KernelTable. Used by kernels/cpu, runtime backends, profiles and lowering.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/attributes.h"
#include "kernels/tensor.h"

namespace mpsearch {

/// One node with all its types decided. Only trailing inputs and outputs may be missing.
struct KernelCall {
  std::string op;
  Attributes attributes;
  std::vector<TensorType> inputs;
  std::vector<TensorType> outputs;
};

/// Canonical text of a call: equal text, equal kernel and cost. Key of profiles and of the plan.
std::string key_of(const KernelCall& call);

/// One way to compute a call: stored in the plan and enough, with the call, to bind it again.
struct KernelChoice {
  std::string algorithm;             // "onednn.native", "onednn.decoded", "loop", ...
  std::int64_t workspace_bytes = 0;  // scratch that lives only while the kernel runs
  bool deterministic = true;
  bool operator==(const KernelChoice&) const = default;
};

/// Where a call's tensors lie. `workspace` has the choice's bytes and no defined content.
struct KernelViews {
  std::vector<TensorView> inputs;
  std::vector<TensorView> outputs;
  std::byte* workspace = nullptr;
};

/// A call ready to run, any number of times: nothing is looked up or allocated by `run`.
struct BoundKernel {
  void (*run)(const void* arguments) = nullptr;
  std::shared_ptr<const void> arguments;
};

/// Everything that one op needs of a backend. `candidates` is pure and returns an empty list where
/// the call is unsupported; the first entry is the default.
struct KernelEntry {
  std::string_view op;
  std::vector<KernelChoice> (*candidates)(const KernelCall& call);
  BoundKernel (*bind)(const KernelCall& call, const KernelChoice& choice, const KernelViews& views);
};

using KernelTable = std::span<const KernelEntry>;

/// The entry of `op`, or null.
const KernelEntry* find_kernel(KernelTable table, std::string_view op);

/// A bound kernel from a value that holds its arguments and is called by `operator()() const`.
template <class Arguments>
BoundKernel bound(Arguments arguments) {
  return {[](const void* held) { (*static_cast<const Arguments*>(held))(); },
          std::make_shared<const Arguments>(std::move(arguments))};
}

}  // namespace mpsearch
