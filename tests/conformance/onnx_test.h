// One of ONNX's backend tests: a model with inputs and expected outputs, run as a forward pass of
// our CPU backend in FP32. Used by the conformance test and by tests/bench/conformance.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/backend.h"

namespace mpsearch::conformance {

enum class Status : std::uint8_t {
  Pass,
  Fail,         // other values, or an error that is no answer
  Unsupported,  // refused at import, or no kernel: `reason` says why
};

struct Outcome {
  std::string name;  // of the test's folder
  Status status = Status::Fail;
  std::string reason;
  std::vector<std::string> operators;  // of the main graph, each once, with domain unless ONNX's

  /// Which inputs had to be constants of the model, since ONNX passes there what is fixed in
  /// training (shapes, axes, limits): "", "integers", "all but the first" or "all" (then all is
  /// computed at import).
  std::string fixed;

  /// Elements of FLOAT16 and BFLOAT16 outputs that differ from the expected ones and are at least
  /// as near to the model's values in FP64: the expected ones were rounded after every operator.
  int nearer = 0;

  /// Float tensors in or out; no strings, sequences, optionals, random or training operators.
  bool computes_floats = false;
};

/// Folders below `root` that hold a model.onnx and a test_data_set_0, sorted.
std::vector<std::filesystem::path> find_tests(const std::filesystem::path& root);

/// Runs one: relative tolerance 1e-3, absolute 1e-7 (ONNX's), or what its data.json says; what
/// `nearer` counts passes. `scratch`
/// is a folder for rewritten models.
Outcome run_test(const std::filesystem::path& folder, const Backend& backend,
                 const std::filesystem::path& scratch);

}  // namespace mpsearch::conformance
